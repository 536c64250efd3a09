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

describe('the page of another task', () => {
  const classes = ['background', 'circle'];
  const report = reportData(
    resultsOf(
      { add: [[70], [71], [72]], msaa: [[72], [73.1], [74]] },
      {
        axis: 'fusion',
        figure: { name: 'miou', title: 'mean IoU', unit: '%', better: 'higher' },
        recipe: { task: 'segmentation', head: 'danet-head' },
        evaluation: (_, seed) => ({
          examples: 10,
          classes,
          per_class: { iou: [90 + seed, null] },
          confusion: [
            [3, 1],
            [0, 0],
          ],
        }),
        explanation: () => ({
          images: [{ file: 'i.png', label: 'shapes 0', class: '', predicted: '', probability: 0 }],
          maps: [],
          gates: [],
          masks: [
            { image: 0, kind: 'true', file: 't.png' },
            { image: 0, kind: 'predicted', file: 'p.png' },
          ],
        }),
      },
    ),
  );
  const uris = new Map(
    ['add', 'msaa'].flatMap((label) =>
      ['i', 't', 'p'].map((name): [string, string] => [
        `runs/${label}-seed1/explanation/${name}.png`,
        `data:image/png;base64,${label}-${name}`,
      ]),
    ),
  );
  const page = parseHTML(reportPage(report, uris)).document;

  test('speaks of its figure and of what is compared, not of accuracy and attention', () => {
    const text = page.body.textContent;
    expect(text).toContain('Mean IoU, %: mean of the best five epochs');
    expect(text).toContain('points of mean IoU above add');
    expect(page.querySelector('h1')?.textContent).toBe('Fusion compared');
    expect(page.querySelector('#accuracy h2')?.textContent).toBe('Mean IoU');
    const [head] = [...page.querySelectorAll('#accuracy thead th')];
    expect(head?.textContent).toBe('fusion');
    expect(text).not.toMatch(/top-1|accuracy|mechanism/i);
  });

  test('has a row for every class, with the difference to the baseline in brackets', () => {
    const rows = [...page.querySelectorAll('#classes tbody tr')].map((row) =>
      [...row.querySelectorAll('th, td')].map((cell) =>
        cell.textContent.replaceAll(/\s+/g, ' ').trim(),
      ),
    );
    expect(rows).toEqual([
      ['background', '92.00', '92.00 (+0.00)'],
      ['circle', '–', '–'],
    ]);
    expect(page.querySelectorAll('#classes .confusion svg')).toHaveLength(2);
  });

  test('shows the image, its true mask, and the predicted mask of every network', () => {
    const rows = [...page.querySelectorAll('#masks tr')].map((row) => [
      row.querySelector('th')?.textContent.replaceAll(/\s+/g, ' ').trim(),
      row.querySelector('img')?.getAttribute('src')?.split(',')[1],
    ]);
    expect(rows).toEqual([
      ['image', 'add-i'],
      ['true mask', 'add-t'],
      ['add seed 1', 'add-p'],
      ['msaa seed 1', 'msaa-p'],
    ]);
  });

  test('says where lower is better', () => {
    const text = pageOf(
      reportData(
        resultsOf(
          { none: [[0.5], [0.51]], se: [[0.4], [0.42]] },
          { figure: { name: 'loss', title: 'loss', unit: '', better: 'lower' } },
        ),
      ),
    ).body.textContent;
    expect(text).toContain('Loss: mean of the best five epochs (lower is better)');
    expect(text).toContain('loss above none');
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
