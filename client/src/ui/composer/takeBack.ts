/*
 * Taking an unsent message back into the composer. Owns nothing; what is typed there already is never lost.
 */
import type { App } from '../../state/app.svelte';
import type { PendingMessage } from '../../state/outbox.svelte';

/** Puts the message's text before what is typed in its room. False where the message is on its way already. */
export function takeBack(app: App, message: PendingMessage): boolean {
  const text = app.outbox.edit(message.id);
  if (text === null) return false;
  const draft = app.drafts.get(message.room);
  app.drafts.set(message.room, draft.trim() ? `${text}\n${draft}` : text);
  return true;
}
