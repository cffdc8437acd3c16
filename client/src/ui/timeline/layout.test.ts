import { describe, expect, test } from 'vitest';
import { Layout } from './layout';

const rows = (...keys: string[]) => keys.map((key) => ({ key }));

describe('Layout', () => {
  test('stands rows below each other by estimate, then by measure', () => {
    const layout = new Layout(() => 10);
    layout.setRows(rows('a', 'b', 'c'));
    expect([layout.top(0), layout.top(1), layout.top(2), layout.total]).toEqual([0, 10, 20, 30]);
    expect(layout.measured('b', 25)).toBe(true);
    expect([layout.top(1), layout.top(2), layout.total]).toEqual([10, 35, 45]);
  });

  test('calls a height that differs by rounding known', () => {
    const layout = new Layout(() => 10);
    layout.setRows(rows('a'));
    expect(layout.measured('a', 24.2)).toBe(true);
    expect(layout.measured('a', 24.5)).toBe(false);
    expect(layout.total).toBe(24.2);
  });

  test('keeps measured heights with their keys when rows are put before them', () => {
    const layout = new Layout(() => 10);
    layout.setRows(rows('b', 'c'));
    layout.measured('b', 40);
    layout.setRows(rows('x', 'a', 'b', 'c'));
    expect(layout.top(layout.indexOf('c'))).toBe(60);
    expect(layout.total).toBe(70);
  });

  test('finds the row at a place, and the nearest one outside', () => {
    const layout = new Layout<{ key: string }>((row) => (row.key === 'b' ? 100 : 10));
    layout.setRows(rows('a', 'b', 'c'));
    expect([-5, 0, 9.9, 10, 109.9, 110, 500].map((y) => layout.at(y))).toEqual([0, 0, 0, 1, 1, 2, 2]);
  });

  test('gives the rows that touch a stretch', () => {
    const layout = new Layout(() => 10);
    layout.setRows(rows(...Array.from({ length: 100_000 }, (_, i) => `m${i}`)));
    expect(layout.range(500_005, 500_031)).toEqual({ from: 50_000, to: 50_004 });
    expect(layout.range(-100, 20)).toEqual({ from: 0, to: 3 });
  });

  test('forgets the heights of rows that have gone, so that a long room costs no more than a short one', () => {
    const layout = new Layout(() => 10);
    for (let from = 0; from < 100_000; from += 100) {
      const window = rows(...Array.from({ length: 600 }, (_, i) => `m${from + i}`));
      layout.setRows(window);
      for (const { key } of window) layout.measured(key, 25);
    }
    expect(layout.known).toBeLessThan(4_000);
    expect(layout.total).toBe(600 * 25);
  });

  test('an empty list has no rows and no height', () => {
    const layout = new Layout(() => 10);
    expect(layout.range(0, 100)).toEqual({ from: 0, to: 0 });
    expect(layout.total).toBe(0);
    expect(layout.indexOf('a')).toBe(-1);
  });
});
