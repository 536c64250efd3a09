/** `fovea list`: everything that the command line has a name for. */
import { Command } from 'commander';
import { parseChoice } from '../attention/choice.js';
import { attention } from '../attention/index.js';
import { RequestError } from '../errors.js';
import { suggestion } from '../suggest.js';
import { importModules } from '../training/node/from-recipe.js';
import { printJson } from './command.js';
import { listed, listMechanisms, mechanismTables, paragraph, story } from './list-mechanisms.js';
import {
  augmentationList,
  datasetList,
  fusionList,
  headList,
  modelList,
  taskList,
} from './list-parts.js';
import { print } from './output.js';
import { addImportOption } from './recipe-options.js';

/** One kind of thing that can be asked for by name. */
export interface Part {
  /** For a program. */
  readonly answer: unknown;
  /** For a person, in the overview. */
  readonly table: string;
  /** For a person who asks for this alone. Default: the table. */
  readonly text?: string;
}

const PARTS: Readonly<Record<string, () => Part>> = {
  tasks: taskList,
  models: modelList,
  attention: () => {
    const all = listMechanisms();
    return { answer: all, table: mechanismTables(all), text: all.map(paragraph).join('\n') };
  },
  fusions: fusionList,
  heads: headList,
  datasets: datasetList,
  augmentations: augmentationList,
};

export function listCommand(): Command {
  const command = new Command('list')
    .summary('tasks, models, mechanisms, data sets and all else that has a name')
    .description('All that the flags of other commands can name, with what it costs.')
    .argument(
      '[what]',
      `${Object.keys(PARTS).join(', ')},\nor one mechanism: attention/ID, with options as\nattention/cbam:ratio=8`,
    );
  addImportOption(command)
    .option('--json', 'print all that is known as JSON')
    .addHelpText(
      'after',
      '\nfovea list                  an overview\n' +
        'fovea list attention        papers, options and defaults of all mechanisms\n' +
        'fovea list attention/cbam   one mechanism: also its gates, and its steps',
    );
  return command.action(async (what: string | undefined) => {
    const { json, import: imports = [] } = command.opts<{ json?: boolean; import?: string[] }>();
    await importModules(imports);
    const { answer, table, text = table } = answerTo(what);
    if (json) printJson(answer);
    else print(text);
  });
}

/** What was asked for. */
function answerTo(what: string | undefined): Part {
  if (what === undefined) {
    const all = Object.entries(PARTS).map(([name, part]) => [name, part()] as const);
    return {
      answer: Object.fromEntries(all.map(([name, { answer }]) => [name, answer])),
      table: all.map(([, part]) => part.table).join('\n'),
    };
  }
  const part = Object.hasOwn(PARTS, what) ? PARTS[what] : undefined;
  if (part) return part();
  const { id, options } = parseChoice(what.replace(/^attention\//, ''));
  if (!attention.has(id)) {
    const names = [...Object.keys(PARTS), ...attention.list().map((one) => `attention/${one.id}`)];
    throw new RequestError(`There is no '${what}' to list. ${suggestion(what, names)}`);
  }
  const one = listed(attention.get(id), options);
  return { answer: one, table: story(one) };
}
