/*
 * The icons, each one path on a grid of 24, drawn as a line of 1.8. They are part of the bundle, so that nothing is
 * fetched for a picture; this file knows nothing of where they are shown.
 */

/** A circle as a path. */
const circle = (x: number, y: number, r: number): string =>
  `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`;

/** A dot, drawn by the round end of a line without length. */
const dot = (x: number, y: number): string => `M${x} ${y}h.01`;

export const icons = {
  add: 'M12 5v14M5 12h14',
  alert: `${circle(12, 12, 8.5)}M12 7.5v5.5${dot(12, 16.3)}`,
  at: `${circle(12, 12, 3.5)}M15.5 8.5v5a2.5 2.5 0 0 0 5 0V12a8.5 8.5 0 1 0-3.4 6.8`,
  back: 'm15 5-7 7 7 7',
  check: 'm5 12.5 4.5 4.5L19 7.5',
  clock: `${circle(12, 12, 8.5)}M12 7.5V12l3 2`,
  close: 'm6 6 12 12M18 6 6 18',
  compass: `${circle(12, 12, 8.5)}M15.2 8.8l-1.9 4.5-4.5 1.9 1.9-4.5z`,
  copy: 'M9 9h10v10H9zM6 15H5V5h10v1',
  disk: 'M5 5h11l3 3v11H5zM8.5 5v4.5h6V5M8 19v-5.5h8V19',
  down: 'M12 5v13m-6-6 6 6 6-6',
  edit: 'M4.5 19.5 5.3 16 15.7 5.6a1.8 1.8 0 0 1 2.7 2.7L8 18.7zM14 7.3l2.7 2.7',
  eye: `M2.5 12C4.5 8 8 5.8 12 5.8s7.5 2.2 9.5 6.2c-2 4-5.5 6.2-9.5 6.2S4.5 16 2.5 12z${circle(12, 12, 2.8)}`,
  'eye-off':
    'M4 4l16 16M9.9 6c.7-.1 1.4-.2 2.1-.2 4 0 7.5 2.2 9.5 6.2-.7 1.4-1.5 2.5-2.5 3.5M6 7.9C4.6 8.9 3.4 10.3 2.5 12c2 4 5.5 6.2 9.5 6.2 1.7 0 3.3-.4 4.7-1.2M9.9 9.9a2.8 2.8 0 0 0 4.1 4.1',
  flag: 'M6 20.5V4.5c4-2 7.5 2 12 0v9c-4.5 2-8-2-12 0',
  hash: 'M9.5 4.5 7.5 19.5M16.5 4.5l-2 15M4.5 9h15.5M4 15h15.5',
  key: `${circle(8, 15.5, 3.8)}M10.8 12.7l8.7-8.7M16 7.5l2.5 2.5M13.5 10l1.5 1.5`,
  leave: 'M13 4.5H6v15h7M10.5 12H20m-3.5-3.5L20 12l-3.5 3.5',
  link: 'M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.3l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3a4 4 0 0 0 5.7 5.7l1-1',
  lock: 'M7 11h10a2 2 0 0 1 2 2v5a2 2 0 0 1-2 2H7a2 2 0 0 1-2-2v-5a2 2 0 0 1 2-2zM8 11V8a4 4 0 0 1 8 0v3',
  message: 'M6 5h12a2 2 0 0 1 2 2v7a2 2 0 0 1-2 2h-6l-5 4v-4H6a2 2 0 0 1-2-2V7a2 2 0 0 1 2-2z',
  more: `${circle(5.5, 12, 0.7)}${circle(12, 12, 0.7)}${circle(18.5, 12, 0.7)}`,
  note: 'M6 4h12v11l-5 5H6zM18 15h-5v5M9 8.5h6M9 12h4',
  offline: `M4 4l16 16M2.5 9.5A15 15 0 0 1 7 6.8M11 5.6a15 15 0 0 1 10.5 3.9M5.8 13.2a10 10 0 0 1 4-2.3M15.5 11.5c1 .4 1.9 1 2.7 1.7M9 16.7a5 5 0 0 1 6 0${dot(12, 20)}`,
  retry: 'M19.5 12a7.5 7.5 0 1 1-2.3-5.4L19.5 9M19.5 4.5V9H15',
  search: `${circle(11, 11, 7)}M20 20l-4-4`,
  send: 'M5 12h13m-6-6 6 6-6 6',
  settings:
    `${circle(12, 12, 3)}M12 3v3m0 12v3M3 12h3m12 0h3M5.6 5.6l2.2 2.2m8.4 8.4 2.2 2.2m0-12.8-2.2 2.2m-8.4 8.4-2.2 2.2`,
  smile: `${circle(12, 12, 8.5)}M9 14.5c1.8 2 4.2 2 6 0${dot(9, 10)}${dot(15, 10)}`,
  sound: 'M4 10v4h3l5 4V6l-5 4zM15.5 9a4 4 0 0 1 0 6M18 6.5a8 8 0 0 1 0 11',
  trash: 'M5 7h14M9.5 7V4.5h5V7M7 7l.8 12.5h8.4L17 7M10.5 10.5v5.5M13.5 10.5v5.5',
  unread: `M13.5 5H6a2 2 0 0 0-2 2v7a2 2 0 0 0 2 2h1v4l5-4h6a2 2 0 0 0 2-2v-2.5${circle(18.5, 6, 2.5)}`,
  users:
    `${circle(9, 9, 3.5)}M3 19c.5-3 3-4.5 6-4.5s5.5 1.5 6 4.5M16 6a3.5 3.5 0 0 1 0 6.5M18 14.5c2 .5 3 2 3.3 4.5`,
  'user-add': `${circle(10, 8.5, 3.7)}M3.5 19.5c.5-3.3 3.2-5 6.5-5s6 1.7 6.5 5M19 8v6M16 11h6`,
} as const satisfies Record<string, string>;

export type IconName = keyof typeof icons;
