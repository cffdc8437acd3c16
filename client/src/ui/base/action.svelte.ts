/*
 * Something that is asked of the server from a form: whether it is under way, and in which words it failed. Owns that
 * and nothing else.
 */
import { errorText } from '../../wire/api';

export class Action {
  busy = $state(false);
  /** Why it failed, in words; '' where it did not. */
  failure = $state('');

  /** Runs `work` unless it runs already; true where it succeeded. */
  async run(work: () => Promise<unknown>): Promise<boolean> {
    if (this.busy) return false;
    this.busy = true;
    this.failure = '';
    try {
      await work();
      return true;
    } catch (error) {
      this.failure = errorText(error);
      return false;
    } finally {
      this.busy = false;
    }
  }
}
