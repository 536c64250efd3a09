/** Writes the report of a comparison into its folder. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readFileChecked, writeFileAtomic, writeJsonFile } from '../../formats/node/files.js';
import { reportCsv } from '../report/csv.js';
import { reportData, type ReportData } from '../report/data.js';
import { reportMarkdown } from '../report/markdown.js';
import { shownPictures } from '../report/pictures.js';
import { loadForNode } from '../../packages.node.js';
import { checkInside } from '../../explain/node/inside.js';
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
 * @throws FileError naming a file that is damaged, leads out of the folder, or cannot be written
 */
export async function writeReport(path: string): Promise<WrittenReport> {
  const report = reportData(await readResults(path));
  const { reportPage } = await loadForNode(() => import('../report/page.js'));
  const page = join(path, 'report.html');
  const markdown = join(path, 'report.md');
  for (const name of ['report.html', 'report.json', 'report.csv', 'report.md']) {
    await checkInside(path, join(path, name));
  }
  const pictures = await readPictures(path, report);
  await writeJsonFile(join(path, 'report.json'), report);
  await writeFileAtomic(join(path, 'report.csv'), reportCsv(report));
  await writeFileAtomic(markdown, reportMarkdown(report));
  await writeFileAtomic(page, reportPage(report, pictures));
  return { report, page, markdown };
}

/** The pictures that the page shows, as data URIs; one that is missing is left out. */
async function readPictures(path: string, report: ReportData): Promise<Map<string, string>> {
  const pictures = new Map<string, string>();
  for (const file of shownPictures(report)) {
    if (!existsSync(join(path, file))) continue;
    await checkInside(path, join(path, file));
    const bytes = await readFileChecked(join(path, file));
    pictures.set(file, `data:image/png;base64,${Buffer.from(bytes).toString('base64')}`);
  }
  return pictures;
}
