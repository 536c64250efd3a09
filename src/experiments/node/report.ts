/** Writes the report of a comparison into its folder. */
import { existsSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { readFileChecked, writeFileAtomic, writeJsonFile } from '../../weights/node/files.js';
import { reportCsv } from '../report/csv.js';
import { reportData, type ReportData } from '../report/data.js';
import { reportMarkdown } from '../report/markdown.js';
import { reportPage } from '../report/page.js';
import { readResults } from './read-results.js';

export interface WrittenReport {
  readonly report: ReportData;
  /** Path of report.html. */
  readonly page: string;
  /** Path of report.md. */
  readonly markdown: string;
}

/**
 * Writes report.html, report.json, report.csv and report.md from what a comparison has left so far.
 * The same files give the same report, byte for byte.
 * @throws RequestError if the folder is not a comparison's
 * @throws FileError naming a file that is damaged, or that cannot be written
 */
export async function writeReport(path: string): Promise<WrittenReport> {
  const report = reportData(await readResults(path));
  const page = join(path, 'report.html');
  const markdown = join(path, 'report.md');
  await writeJsonFile(join(path, 'report.json'), report);
  await writeFileAtomic(join(path, 'report.csv'), reportCsv(report));
  await writeFileAtomic(markdown, reportMarkdown(report));
  await writeFileAtomic(page, reportPage(report, await readPictures(path, report)));
  return { report, page, markdown };
}

/** The pictures that the page shows, as data URIs; one that is missing is left out. */
async function readPictures(path: string, report: ReportData): Promise<Map<string, string>> {
  const shown = report.mechanisms.flatMap(({ maps }) =>
    maps === null
      ? []
      : [...maps.images.map(({ file }) => file), ...maps.rows.flatMap(({ files }) => files)],
  );
  const pictures = new Map<string, string>();
  for (const file of new Set(shown)) {
    // A name in index.json must not lead out of the comparison's folder.
    if (file === null || normalize(file).startsWith('..') || !existsSync(join(path, file)))
      continue;
    const bytes = await readFileChecked(join(path, file));
    pictures.set(file, `data:image/png;base64,${Buffer.from(bytes).toString('base64')}`);
  }
  return pictures;
}
