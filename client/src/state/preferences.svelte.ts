// Owns: what a person chose for this browser. Stored under `melangerie.preferences`, which public/theme.js reads too.

export type Theme = 'system' | 'light' | 'dark';

export class Preferences {
  theme: Theme = $state('system');
  /** Whether a sound tells of new messages. */
  sound: boolean = $state(true);

  setTheme(theme: Theme): void {
    throw new Error(`skeleton ${theme}`);
  }

  setSound(sound: boolean): void {
    throw new Error(`skeleton ${sound}`);
  }
}
