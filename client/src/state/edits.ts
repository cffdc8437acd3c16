// Owns: the rule by which a message with `replaces` gives an earlier one its new text. Pure.
import { sameName } from '../text/names';
import { SERVER_NAME, type Message } from '../wire/protocol';

/** Whether the message is the new text of another one, and so has no row, no sound and no count of its own. */
export function isEdit(message: Pick<Message, 'replaces'>): boolean {
  return message.replaces !== undefined;
}

/**
 * Whether `edit` is newer text of `original` than what `original` holds. Only one's own messages can be edited, and an
 * edit cannot. Of several edits the highest number wins; `shown` is the number of the one that `original` holds, where
 * it is known. A page does not tell it: there the time decides.
 */
export function supersedes(edit: Message, original: Message, shown?: number): boolean {
  if (edit.replaces !== original.seq || edit.seq <= original.seq || isEdit(original)) return false;
  if (original.sender === SERVER_NAME || !sameName(edit.sender, original.sender)) return false;
  return shown === undefined ? edit.timestamp >= (original.edited ?? 0) : edit.seq > shown;
}

/** `original` with the text of `edit`. */
export function edited(original: Message, edit: Message): Message {
  return { ...original, content: edit.content, edited: edit.timestamp };
}

/** `messages` with the newest texts that are among themselves, in order. */
export function editedAmong(messages: readonly Message[]): Message[] {
  const edits = messages.filter(isEdit);
  return messages.map((message) => {
    const newest = edits.filter((edit) => supersedes(edit, message)).at(-1);
    return newest ? edited(message, newest) : message;
  });
}
