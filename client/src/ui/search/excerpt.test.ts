import { describe, expect, test } from 'vitest';
import { excerpt } from './excerpt';

const shown = (content: string, query: string): string =>
  excerpt(content, query)
    .map(({ text, hit }) => (hit ? `[${text}]` : text))
    .join('');

describe('excerpt', () => {
  test('marks every place, ignoring case, and leaves the text as it was written', () => {
    expect(shown('Pallet, two PALLETS', 'pallet')).toBe('[Pallet], two [PALLET]S');
  });

  test('cuts at a word before a place that is far in, and says that it was cut', () => {
    const text = `${'word '.repeat(40)}needle ${'tail '.repeat(100)}`;
    const result = shown(text, 'needle');
    expect(result.startsWith('… word ')).toBe(true);
    expect(result).toContain('[needle] tail');
    expect(result.endsWith(' …')).toBe(true);
  });

  test('shows the beginning where the words are not in it literally', () => {
    expect(shown('nothing of it', 'absent')).toBe('nothing of it');
  });

  test('never cuts a character in two', () => {
    const text = `${'🙂'.repeat(80)}needle`;
    expect(shown(text, 'needle')).not.toMatch(/(^|[^\ud800-\udbff])[\udc00-\udfff]/);
  });

  test('letters whose lower case is longer do not shift the mark', () => {
    expect(shown('İİİ needle', 'needle')).toBe('İİİ [needle]');
  });
});
