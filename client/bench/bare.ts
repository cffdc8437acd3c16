// Owns: a browser to which nothing is attached that a person's browser has not. Playwright enables the inspector's runtime in
// each page, for which V8 parses the page's script once more; here the page is only told where to go, and asked when it is there.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { DESKTOP, started } from '../e2e/browser';

/** An answer of the browser, or an event, which has no `id`. */
interface Told {
  id?: number;
  result?: Record<string, unknown>;
  error?: { message: string };
}

/** What is done in a page that comes up. */
export interface Visit<T, A> {
  url: string;
  /** A script that runs before the page's own; none where empty. */
  before: string;
  /** The CPU is slowed so many times. */
  slowed: number;
  /** Runs in the page as soon as it comes up. */
  ask: (argument: A) => Promise<T>;
  argument: A;
}

export class BareBrowser {
  readonly #answers = new Map<number, (told: Told) => void>();
  #asked = 0;

  private constructor(
    readonly process: ChildProcess,
    readonly socket: WebSocket,
  ) {
    socket.on('message', (data) => {
      const told = JSON.parse(String(data)) as Told;
      if (told.id !== undefined) this.#answers.get(told.id)?.(told);
    });
  }

  /** With the profile in that directory, which is made where it is missing, and these switches. */
  static async start(profile: string, ...switches: string[]): Promise<BareBrowser> {
    const { executablePath, args } = started(...switches, '--remote-debugging-port=0', `--user-data-dir=${profile}`);
    const browser = spawn(executablePath, [...args, 'about:blank'], { stdio: ['ignore', 'ignore', 'pipe'] });
    const address = await new Promise<string>((found, failed) => {
      browser.once('error', failed);
      browser.once('exit', (code) => failed(new Error(`The browser ended with ${code}.`)));
      let said = '';
      browser.stderr.on('data', (data) => {
        said += String(data);
        const match = /listening on (ws:\S+)/.exec(said);
        if (match?.[1]) found(match[1]);
      });
    });
    const socket = new WebSocket(address);
    await once(socket, 'open');
    return new BareBrowser(browser, socket);
  }

  async stop(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = once(this.process, 'exit');
    void this.#send('Browser.close');
    await ended;
    this.socket.terminate();
  }

  /** In a tab of its own, as a browser gives every page; `fresh` where nothing of earlier pages is to be kept. */
  async visit<T, A>(visit: Visit<T, A>, fresh: boolean): Promise<T> {
    const kept = fresh ? await this.#send('Target.createBrowserContext') : {};
    const { targetId } = await this.#send('Target.createTarget', { url: 'about:blank', ...kept });
    const { sessionId } = await this.#send('Target.attachToTarget', { targetId, flatten: true });
    const send = (method: string, params: object = {}) => this.#send(method, params, sessionId as string);
    await send('Page.enable');
    await send('Page.addScriptToEvaluateOnNewDocument', { source: visit.before });
    await send('Emulation.setDeviceMetricsOverride', { ...DESKTOP, deviceScaleFactor: 1, mobile: false });
    await send('Emulation.setCPUThrottlingRate', { rate: visit.slowed });
    await send('Page.navigate', { url: visit.url });
    const expression = `(${visit.ask.toString()})(${JSON.stringify(visit.argument)})`;
    const answer = await send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    await this.#send('Target.closeTarget', { targetId });
    if (fresh) await this.#send('Target.disposeBrowserContext', kept);
    if (answer['exceptionDetails']) throw new Error(JSON.stringify(answer['exceptionDetails']));
    return (answer['result'] as { value: T }).value;
  }

  #send(method: string, params: object = {}, sessionId?: string): Promise<Record<string, unknown>> {
    const id = ++this.#asked;
    const answer = new Promise<Record<string, unknown>>((done, failed) => {
      this.#answers.set(id, ({ result, error }) => {
        this.#answers.delete(id);
        if (error) failed(new Error(`${method}: ${error.message}`));
        else done(result ?? {});
      });
    });
    this.socket.send(JSON.stringify({ id, method, params, sessionId }));
    return answer;
  }
}
