import { describe, expect, test } from 'vitest';
import { html, trusted } from './html.js';

describe('templates', () => {
  test('escape text, in elements and in attributes', () => {
    const nasty = `<script>"&'`;
    expect(html`<a title="${nasty}">${nasty}</a>`.text).toBe(
      '<a title="&lt;script&gt;&quot;&amp;&#39;">&lt;script&gt;&quot;&amp;&#39;</a>',
    );
  });

  test('take markup as it is, and lists item by item', () => {
    const items = ['<', html`<b>${'&'}</b>`, trusted('<svg></svg>'), 3];
    expect(html`<p>${items}</p>`.text).toBe('<p>&lt;<b>&amp;</b><svg></svg>3</p>');
  });

  test('write nothing for what is not there', () => {
    expect(html`${null}${undefined}${false}${[]}`.text).toBe('');
    expect(html`${0}`.text).toBe('0');
  });
});
