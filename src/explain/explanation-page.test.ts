import { describe, expect, it } from 'vitest';
import { explanationPage, gateBars } from './explanation-page.js';
import type { Explanation } from './explanation.js';

describe('gateBars', () => {
  /** Top and height of every bar, and the ends of its line, in the drawing's units. */
  const drawn = (values: number[], spread: number[]) => {
    const svg = gateBars({ module: 'layer1.0.attention', name: 'channel', values, spread });
    const bars = [
      ...svg.matchAll(/<rect x="[\d.]+" y="([\d.]+)" width="[\d.]+" height="([\d.]+)"/g),
    ];
    const lines = [...svg.matchAll(/<path d="M[\d.]+ ([\d.]+)V([\d.]+)"/g)];
    return [...bars, ...lines].map(([, first, second]) => [Number(first), Number(second)]);
  };

  it('draws means from 0 upwards and one deviation to both sides, on a scale from 0 to 1', () => {
    // 98 units from 1 (at 24) to 0 (at 122).
    expect(drawn([0.5, 1, 0], [0.25, 0, 0])).toEqual([
      [73, 49],
      [24, 98],
      [122, 0],
      [48.5, 97.5],
      [24, 24],
      [122, 122],
    ]);
  });

  it('widens the scale for values outside of it, and draws negative ones downwards', () => {
    // 98 units for 2 + 2: 0 is in the middle, at 73.
    expect(drawn([2, -1], [0, 1])).toEqual([
      [24, 49],
      [73, 24.5],
      [24, 24],
      [73, 122],
    ]);
  });
});

describe('explanationPage', () => {
  const explanation: Explanation = {
    images: [
      {
        file: 'image0.png',
        label: '<b>&"x".png',
        class: 'cat',
        predicted: 'dog',
        probability: 0.25,
      },
    ],
    maps: [
      {
        image: 0,
        module: 'layer3.2.attention',
        name: 'attention',
        kind: 'attention-row',
        query: [0.5, 0.25],
        file: 'map.png',
        scale: [0.012345, 0.5],
      },
    ],
    gates: [],
    localisation: [
      {
        module: 'grad-cam',
        name: 'grad-cam',
        kind: 'grad-cam',
        images: 200,
        pointing: 0.5,
        energy: 0.25,
        share: 0.125,
      },
    ],
  };

  it('says what was predicted, where a map looks from, its scale, and the scores', () => {
    const text = explanationPage(explanation, 'Title')
      .replace(/<[^>]+>/g, ' ')
      .replace(/\s+/g, ' ');
    expect(text).toContain('dog 25.0 % really cat');
    expect(text).toContain('layer3.2.attention attention from 0.5, 0.25 0.0123 to 0.5');
    expect(text).toContain('Grad-CAM 0.500 0.250 0.125 200');
  });

  it('shows names of files as text', () => {
    expect(explanationPage(explanation, 'Title')).toContain('&lt;b&gt;&amp;&quot;x&quot;.png');
  });

  it('needs nothing from a network', () => {
    expect(explanationPage(explanation, 'Title')).not.toMatch(/(src|href)="(https?:)?\/\//);
  });
});
