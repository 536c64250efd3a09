import { parseHTML } from 'linkedom';
import { beforeAll, describe, expect, test } from 'vitest';
import { resultsOf, type Curves } from '../testing/results.js';
import { reportData, type ReportData } from './data.js';
import { reportPage } from './page.js';

const CURVES: Curves = {
  none: [[50], [51], [52], [53]],
  'cbam:ratio=8': [[48], [48.9], [50.1], [51]],
  se: [[49], [52], [51], [54]],
};

function pageOf(report: ReportData): Document {
  return parseHTML(reportPage(report, new Map())).document;
}

describe('report.html', () => {
  const report = reportData(resultsOf(CURVES, { latency: { none: 4 } }));
  let page: Document;
  beforeAll(() => {
    page = pageOf(report);
  });

  test('shows no number that is not in report.json', () => {
    const json = JSON.parse(JSON.stringify(report)) as unknown;
    const numbers = [...page.querySelectorAll('data')];
    expect(numbers.length).toBeGreaterThan(50);
    for (const number of numbers) {
      const value = lookUp(json, number.getAttribute('data-place') ?? '');
      expect(number.getAttribute('value')).toBe(String(value));
      const text = number.textContent.trim().replaceAll(',', '').replace('−', '-');
      const digits = (text.split('.')[1] ?? '').replace(/\D/g, '').length;
      const scale = text.endsWith('M') ? 1e6 : 1;
      const shown = text.startsWith('<') ? 0 : parseFloat(text) * scale;
      const tolerance = text.startsWith('<') ? 0.001 : 0.5001 * 10 ** -digits * scale;
      expect(Math.abs(shown - Number(value))).toBeLessThanOrEqual(tolerance);
    }
  });

  test('has a row for every mechanism, in the order of the command, with its verdict', () => {
    const rows = [...page.querySelectorAll('#accuracy > figure.table tbody tr')];
    expect(rows.map((row) => row.querySelector('th')?.firstChild?.textContent?.trim())).toEqual([
      'none',
      'cbam:ratio=8',
      'se',
    ]);
    expect(rows.map((row) => row.lastElementChild?.textContent.trim())).toEqual([
      'the baseline',
      'worse',
      'no significant difference',
    ]);
  });

  test('loads nothing, and forbids it', () => {
    expect(page.querySelector('meta[http-equiv]')?.getAttribute('content')).toContain(
      "default-src 'none'",
    );
    expect(page.querySelectorAll('script, link, iframe')).toHaveLength(0);
    for (const link of page.querySelectorAll('a')) {
      expect(link.getAttribute('href')).toMatch(/^(#|[\w%.-]+[\w%./-]*$)/);
    }
  });

  test('has a heading for every link to a part of it', () => {
    const targets = [...page.querySelectorAll('nav a')].map((link) => link.getAttribute('href'));
    expect(targets).toContain('#accuracy');
    for (const target of targets)
      expect(page.querySelector(`section${target ?? ''}`)).not.toBeNull();
  });

  test('says what was run', () => {
    const { textContent: run } = page.querySelector('#run') ?? { textContent: '' };
    expect(run).toContain(report.command);
    expect(run).toContain('cpu Fixture x 2');
    expect(run).toContain('runs/se-seed3/summary.json');
  });

  test('is the same for the same data', () => {
    expect(reportPage(report, new Map())).toBe(reportPage(report, new Map()));
  });
});

describe('an odd comparison', () => {
  test('that is not finished says so before anything else', () => {
    const page = pageOf(reportData(resultsOf({ none: [[50], [51]], se: [[50]] })));
    expect(page.querySelector('main .warning')?.textContent).toContain('3 of 4 runs are done');
  });

  test('of which nothing is done has a page all the same', () => {
    const page = pageOf(reportData(resultsOf({ none: [], se: [] }, { epochs: 3, seeds: 2 })));
    expect(page.querySelector('.lead')?.textContent).toContain('Nothing to compare with none yet.');
    expect(page.querySelectorAll('svg')).toHaveLength(0);
  });

  test('cannot put markup into the page', () => {
    const report = reportData(resultsOf(CURVES));
    const text = '<img src=x onerror=alert(1)>';
    const nasty: ReportData = {
      ...report,
      command: text,
      environments: [{ versions: { cpu: text }, runs: [] }],
      mechanisms: report.mechanisms.map((mechanism) => ({ ...mechanism, label: text })),
      runs: report.runs.map((run) => ({ ...run, state: 'failed', message: text })),
    };
    expect(pageOf(nasty).querySelectorAll('img')).toHaveLength(0);
  });
});

function lookUp(json: unknown, place: string): unknown {
  return place
    .split('.')
    .reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], json);
}
