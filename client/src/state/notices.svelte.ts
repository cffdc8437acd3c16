// Owns: the page's title, the badge on its icon and the sound. Never decides what is unread.

export class Notices {
  /** The page's title as it stands, for example `(3) #general · Melangerie`. */
  title: string = $state('Melangerie');

  /** Plays the sound once, for the settings. */
  playSound(): void {
    throw new Error('skeleton');
  }
}
