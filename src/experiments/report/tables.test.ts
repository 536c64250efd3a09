import { describe, expect, test } from 'vitest';
import { resultsOf } from '../testing/results.js';
import { reportCsv } from './csv.js';
import { reportData } from './data.js';
import { reportMarkdown } from './markdown.js';

const report = reportData(
  resultsOf({
    none: [[50], [51], [52], [53]],
    'cbam:ratio=8': [[52], [53.1], [53.9], [55]],
    se: [[49], [52], [51], [54]],
  }),
);

describe('report.csv', () => {
  const lines = reportCsv(report).split('\r\n');

  test('has a line for every value, with its file', () => {
    expect(lines[0]).toBe('attention,quantity,seed,epoch,value,source');
    expect(lines).toContain('se,mean_best5_top1,4,,54,runs/se-seed4/summary.json');
    expect(lines).toContain('none,val_top1,2,1,51,runs/none-seed2/metrics.jsonl');
    expect(lines).toContain('se,best_top1.verdict,,,no significant difference,report.json');
  });

  test('quotes what holds a comma or a quotation mark', () => {
    const [mechanism] = report.mechanisms;
    if (mechanism === undefined) throw new Error('The fixture has a mechanism.');
    const odd = { ...report, runs: [], mechanisms: [{ ...mechanism, label: 'a,"b' }] };
    expect(reportCsv(odd)).toContain('"a,""b",params,,,1000,runs/none-seed1/summary.json');
  });
});

describe('tables of another task', () => {
  const fusions = reportData(
    resultsOf(
      { add: [[70], [71], [72]], msaa: [[72], [73.1], [74]] },
      {
        axis: 'fusion',
        figure: { name: 'miou', title: 'mean IoU', unit: '%', better: 'higher' },
        evaluation: () => ({ examples: 10, classes: ['sky'], per_class: { iou: [93] } }),
      },
    ),
  );

  test('name its figure and what is compared', () => {
    const lines = reportCsv(fusions).split('\r\n');
    expect(lines[0]).toBe('fusion,quantity,seed,epoch,value,source');
    expect(lines).toContain('msaa,mean_best5_miou,3,,74,runs/msaa-seed3/summary.json');
    expect(lines).toContain('msaa,iou sky,2,,93,runs/msaa-seed2/evaluation.json');
    expect(reportMarkdown(fusions)).toContain(
      '| fusion | parameters | multiply-adds | mean IoU, %: mean of the best five epochs (± sd) | difference to add',
    );
  });
});

describe('text in report.csv', () => {
  const [mechanism] = report.mechanisms;
  if (mechanism === undefined) throw new Error('The fixture has a mechanism.');
  const csv = (label: string) =>
    reportCsv({ ...report, runs: [], mechanisms: [{ ...mechanism, label }] });

  test.each([
    ['=1+1', `"'=1+1",`],
    ['@SUM(A1)', `"'@SUM(A1)",`],
    ['+1', `"'+1",`],
    ['-1', `"'-1",`],
    ['\t=1', `"'\t=1",`],
    ['\r=1', `"'\r=1",`],
    ['＝1', `"'＝1",`],
    ['=HYPERLINK("x","y")', `"'=HYPERLINK(""x"",""y"")",`],
    ['a=1', 'a=1,'],
    ['se', 'se,'],
  ])('is never a formula: %j', (label, cell) => {
    expect(csv(label)).toContain(`\r\n${cell}params,,,1000,`);
  });

  test('stands beside numbers, which stay numbers when they are negative', () => {
    const lines = reportCsv(report).split('\r\n');
    // 49, 52, 51, 54 less 50, 51, 52, 53, sorted out by seed: the lowest figure of the interval is negative.
    const low = lines.find((line) => line.startsWith('se,best_top1.difference.low,'));
    expect(low).toMatch(/^se,best_top1\.difference\.low,,,-\d+\.\d+,report\.json$/);
  });
});

describe('report.md', () => {
  const text = reportMarkdown(report);

  test('is a table in the order of the command, with the verdicts', () => {
    const rows = text.split('\n').filter((line) => line.startsWith('| '));
    expect(rows.map((row) => row.split(' | ')[0])).toEqual([
      '| attention',
      '| ---',
      '| none',
      '| cbam:ratio=8',
      '| se',
    ]);
    // Differences 2, 2.1, 1.9, 2: mean 2, deviation sqrt(0.02 / 3), reach 3.182446 * 0.0816497 / 2.
    expect(rows[3]).toContain('| +2.00 (+1.87 to +2.13) | <0.001 | better |');
    expect(rows[4]).toContain('| no significant difference |');
  });

  test('says what was found', () => {
    expect(text).toContain(
      'Better than none: cbam:ratio=8. No significant difference to none: se.',
    );
  });

  test('says of an unfinished comparison that it is', () => {
    const half = reportData(resultsOf({ none: [[50], [51]], se: [[50]] }));
    expect(reportMarkdown(half)).toContain('Unfinished: 3 of 4 runs are done.');
  });
});
