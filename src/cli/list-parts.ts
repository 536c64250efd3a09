/** What `fovea list` says of all but mechanisms. */
import { attention } from '../attention/index.js';
import { DATASETS } from '../data/catalog.js';
import { augmentations, augmentationsText, listPresets } from '../data/augmentations/registry.js';
import { datasets } from '../data/node/registry.js';
import { inputsOfFusion, listFusions } from '../models/fusion.js';
import { listHeads, models } from '../models/index.js';
import { cost } from '../inspect/cost.js';
import { tasks } from '../tasks/registry.js';
import { table } from './command.js';
import type { Part } from './list.js';
import { cut, ifItCan, optionLines } from './list-text.js';

/** What models are counted with. */
const CLASSES = 100;

/** `--task` */
export function taskList(): Part {
  const answer = tasks.list().map(({ id, title, options }) => ({ id, title, options }));
  return {
    answer,
    table: `Tasks (--task):\n\n${cut(
      table([
        ['id', 'options', 'what is learned'],
        ...answer.map(({ id, title, options }) => [id, namesOf(options), title]),
      ]),
    )}`,
    text: answer
      .map(({ id, title, options }) => [`${id}: ${title}`, ...optionLines(options), ''].join('\n'))
      .join('\n'),
  };
}

/** `--model` */
export function modelList(): Part {
  const answer = models.list().map((model) => {
    const { id, title, paper, year, arxiv, input, takesAttention } = model;
    const counted = ifItCan(() => cost(model.create({ classes: CLASSES }), input));
    const known = { id, title, paper, year, arxiv, input, takesAttention, classes: CLASSES };
    return { ...known, parameters: null, macs: null, ...counted };
  });
  return {
    answer,
    table: `Models (--model), for ${CLASSES} classes and images of their own size:\n\n${cut(
      table([
        ['id', 'parameters', 'multiply-adds', 'image', 'attention', 'network'],
        ...answer.map(({ id, parameters, macs, input, takesAttention, title }) => [
          id,
          parameters ?? '-',
          macs ?? '-',
          input.join('x'),
          takesAttention ? 'yes' : 'no',
          title,
        ]),
      ]),
    )}`,
  };
}

/** What a fusion that is no mechanism does. */
const PLAIN_FUSIONS: Readonly<Record<string, string>> = {
  add: 'Sum',
  concat: '1x1 convolution of the channels of all',
};

/** `--fusion` */
export function fusionList(): Part {
  const answer = listFusions().map((id) => ({
    id,
    title: PLAIN_FUSIONS[id] ?? attention.get(id).title,
    inputs: inputsOfFusion(id),
    joins: Object.hasOwn(PLAIN_FUSIONS, id) || attention.get(id).inputs > 1,
  }));
  return {
    answer,
    table: `Fusions (--fusion) of segmentation networks, where maps of two scales meet:\n\n${cut(
      table([
        ['id', 'maps', 'it', 'fusion'],
        ...answer.map(({ id, title, inputs, joins }) => [
          id,
          inputs,
          joins ? 'joins them' : 'refines their sum',
          title,
        ]),
      ]),
    )}`,
  };
}

/** `--head` */
export function headList(): Part {
  const answer = listHeads().map((id) => ({
    id,
    title: attention.has(id)
      ? attention.get(id).title
      : '3x3 convolution, BatchNorm, ReLU, 1x1 convolution',
  }));
  return {
    answer,
    table: `Heads (--head) of segmentation networks:\n\n${cut(
      table([['id', 'head'], ...answer.map(({ id, title }) => [id, title])]),
    )}`,
  };
}

/** `--dataset` */
export function datasetList(): Part {
  const answer = datasets.list().map(({ id, title, source, data = null }) => ({
    ...(Object.hasOwn(DATASETS, id) && DATASETS[id as keyof typeof DATASETS]),
    ...{ id, title, source, data },
  }));
  return {
    answer,
    table: `Data sets (--dataset):\n\n${cut(
      table([
        ['id', 'train', 'val', 'classes', 'size', 'data set', '--data is'],
        ...answer.map(({ id, title, data, train, val, classes, ...size }) => [
          id,
          train ?? '-',
          val ?? '-',
          classes ?? '-',
          size.channels ? [size.channels, size.height, size.width].join('x') : '-',
          title,
          data ?? '-',
        ]),
      ]),
    )}`,
  };
}

/** `--augment` */
export function augmentationList(): Part {
  const kinds = augmentations.list().map((kind) => ({
    id: kind.id,
    options: kind.optionSet.info(),
  }));
  const lists = listPresets().map(({ id, list }) => ({ id, list: augmentationsText(list) }));
  const known = cut(table([['list', 'stands for'], ...lists.map(({ id, list }) => [id, list])]));
  return {
    answer: { kinds, lists },
    table: `Augmentations (--augment):\n\n${cut(
      table([['id', 'options'], ...kinds.map(({ id, options }) => [id, namesOf(options)])]),
    )}\n${known}`,
    text: `${kinds.map(({ id, options }) => [id, ...optionLines(options), ''].join('\n')).join('\n')}\n${known}`,
  };
}

function namesOf(options: object): string {
  return Object.keys(options).join(', ') || '-';
}
