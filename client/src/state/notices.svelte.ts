// Owns: the page's title, the badge on its icon, the sound, and what is to be told once. Never decides what is unread.
import type { Platform } from './platform';

/** At most one sound in this many ms: a burst is one event to the ear. */
const SOUND_PAUSE_MS = 2_000;
/** Side of the drawn icon, in pixels. */
const ICON_SIZE = 64;
const APP_NAME = 'Melangerie';

/** The page's title: what is unread, where one is, and what this is. */
export function titleFor(unread: number, place: string | null): string {
  const count = unread === 0 ? '' : `(${unread > 99 ? '99+' : unread}) `;
  return place === null ? `${count}${APP_NAME}` : `${count}${place} · ${APP_NAME}`;
}

export class Notices {
  /** The page's title as it stands, for example `(3) #general · Melangerie`. */
  title: string = $state(APP_NAME);

  /** Somebody has just added the user to a room; a new object each time. */
  added: { room: string; by: string } | null = $state.raw(null);

  readonly #platform: Platform;
  #audio: AudioContext | null = null;
  #lastSound = -Infinity;
  /** The icon as it is without a badge. */
  #plainIcon: string | null = null;
  #badge = '';

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** Shows what is unread; `place` names the open room. */
  show(unread: number, place: string | null): void {
    this.title = titleFor(unread, place);
    const { document } = this.#platform;
    if (!document) return;
    document.title = this.title;
    const badge = unread === 0 ? '' : unread > 9 ? '9+' : String(unread);
    if (badge === this.#badge) return;
    this.#badge = badge;
    void this.#drawIcon(document, badge);
  }

  /** Plays the sound unless it was played a moment ago. */
  sound(): void {
    const now = this.#platform.monotonic();
    if (now - this.#lastSound < SOUND_PAUSE_MS) return;
    this.#lastSound = now;
    this.playSound();
  }

  /** Plays the sound once, for the settings: two soft tones, made here so that no file is loaded. */
  playSound(): void {
    if (typeof AudioContext === 'undefined') return;
    this.#audio ??= new AudioContext();
    const audio = this.#audio;
    // Browsers let a page sound only after somebody has clicked or typed in it; until then it stays silent.
    void audio.resume();
    for (const [start, frequency] of [
      [0, 587.33],
      [0.11, 783.99],
    ] as const) {
      const begin = audio.currentTime + start;
      const tone = audio.createOscillator();
      const volume = audio.createGain();
      tone.type = 'sine';
      tone.frequency.value = frequency;
      volume.gain.setValueAtTime(0.0001, begin);
      volume.gain.exponentialRampToValueAtTime(0.12, begin + 0.015);
      volume.gain.exponentialRampToValueAtTime(0.0001, begin + 0.28);
      tone.connect(volume).connect(audio.destination);
      tone.start(begin);
      tone.stop(begin + 0.3);
    }
  }

  async #drawIcon(document: Document, badge: string): Promise<void> {
    const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
    if (!link) return;
    this.#plainIcon ??= link.href;
    if (badge === '') {
      link.href = this.#plainIcon;
      return;
    }
    const image = new Image(ICON_SIZE, ICON_SIZE);
    image.src = this.#plainIcon;
    try {
      await image.decode();
    } catch {
      return; // Without the icon there is nothing to put a badge on; the title tells the number.
    }
    // A later badge may have overtaken this one while the icon was decoded.
    if (badge === this.#badge) link.href = badged(document, image, badge) ?? this.#plainIcon;
  }
}

/** The icon with a count in its corner, as a data URL; null where the browser draws nothing. */
function badged(document: Document, image: HTMLImageElement, badge: string): string | null {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = ICON_SIZE;
  const context = canvas.getContext('2d');
  if (!context) return null;
  context.drawImage(image, 0, 0, ICON_SIZE, ICON_SIZE);
  const radius = 20;
  const centre = ICON_SIZE - radius;
  context.fillStyle = '#c2402f';
  context.beginPath();
  context.arc(centre, radius, radius, 0, 2 * Math.PI);
  context.fill();
  context.fillStyle = '#ffffff';
  context.font = `700 ${badge.length > 1 ? 24 : 30}px system-ui, sans-serif`;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  context.fillText(badge, centre, radius + 2);
  return canvas.toDataURL('image/png');
}
