// Owns: how people and rooms are named and coloured. Pure.

/** At most two letters for an avatar. */
export function initials(displayName: string): string {
  throw new Error(`skeleton ${displayName}`);
}

/** One of the avatar colours, 1 to 6, always the same for a name. */
export function avatarColour(name: string): number {
  throw new Error(`skeleton ${name}`);
}

/** Two names mean the same account or room: case does not matter. */
export function sameName(a: string, b: string): boolean {
  return foldName(a) === foldName(b);
}

/** The form under which a name is looked up. */
export function foldName(name: string): string {
  return name.toLowerCase();
}

/** `Ada`, `Ada and Ben`, `Ada, Ben and Cy`; above `most`, `Ada, Ben and 3 others`. */
export function joinNames(names: readonly string[], most = 3): string {
  throw new Error(`skeleton ${names} ${most}`);
}

/** Why this cannot be a user's name, in words; null where it can. */
export function checkUserName(name: string): string | null {
  throw new Error(`skeleton ${name}`);
}

/** Why this cannot be a room's name, in words; null where it can. */
export function checkRoomName(name: string): string | null {
  throw new Error(`skeleton ${name}`);
}

/** Why this cannot be a password, in words; null where it can. */
export function checkPassword(password: string): string | null {
  throw new Error(`skeleton ${password}`);
}
