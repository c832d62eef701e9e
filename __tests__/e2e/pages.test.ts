/** The pages that a person sees: summaries of real steps and the docs, rendered as on GitHub, in a real browser. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Camera, ensureBrowser, type Picture, type View } from '../../preview/browser.ts';
import { renderMarkdown, renderPage } from '../../preview/page.ts';
import { Fleet, printLine } from '../helpers/support.ts';

const directory = mkdtempSync(join(tmpdir(), 'rollback-daemonset-pages-'));
const VIEWS: View[] = [
  { width: 1_012, scheme: 'light' },
  { width: 1_012, scheme: 'dark' },
  { width: 390, scheme: 'light' },
  { width: 390, scheme: 'dark' },
];

let camera: Camera;
beforeAll(async () => {
  camera = await Camera.open(ensureBrowser(printLine));
});
afterAll(async () => {
  await camera.close();
  rmSync(directory, { recursive: true, force: true });
});

/** Opens a page in each view. It must fit into the window. */
async function lookAt(markdown: string, options?: { unfold: boolean }): Promise<Picture> {
  const path = join(directory, 'page.html');
  writeFileSync(path, await renderPage(markdown, 'A page'));
  const pictures: Picture[] = [];
  for (const view of VIEWS) pictures.push(await camera.picture(path, view, options));
  for (const { png } of pictures) expect(Buffer.from(png).subarray(1, 4).toString()).toBe('PNG');
  expect(pictures.map(({ overflow }) => overflow)).toEqual(VIEWS.map(() => 0));
  const [first, second] = pictures as [Picture, Picture];
  expect(Buffer.from(first.png).equals(Buffer.from(second.png))).toBe(false);
  return first;
}

describe('a summary', () => {
  let fleet: Fleet;
  beforeEach(async () => {
    fleet = await Fleet.create();
    await fleet.rollOut('v1');
    await fleet.rollOut('v2');
    await fleet.getStuck('v3-crash');
  });
  afterEach(() => fleet.remove());

  test('begins with the verdict and the figures, and collapses the details', async () => {
    const { summary } = await fleet.rollback();
    const { text } = await lookAt(summary);
    expect(text).toMatch(/^A page\s+✅ Rolled back: DaemonSet \S+\/agent\s+Revision 3 → 4, which restores revision 2\.\s+3\s→\s4\s/);
    expect(text).toMatch(/Template: 2 differences\s+History: 3 revisions\s+https:/);
    expect(text).not.toContain('spec.containers');
    const unfolded = await lookAt(summary, { unfold: true });
    expect(unfolded.text).toContain('- registry.example/agent:v3-crash\n+ registry.example/agent:v2');
  });

  test('shows what would change for a dry run, and the revisions to choose from for a refusal', async () => {
    const dry = await lookAt((await fleet.rollback({ 'dry-run': 'true' })).summary);
    expect(dry.text).toContain('- registry.example/agent:v3-crash\n+ registry.example/agent:v2');
    const refused = await lookAt((await fleet.rollback({ 'to-revision': '9' })).summary);
    expect(refused.text).toMatch(/❌ Refused, nothing was written/);
    expect(refused.text).toMatch(/1\s+agent-\w+\s+\d+s\s+deploy v1\s+registry\.example\/agent:v1/);
  });

  test('shows a chart and the causes for a rollout that does not finish', async () => {
    await fleet.deploy('v4-slow', { maxUnavailable: 1 });
    const { summary } = await fleet.rollback({ command: 'status', timeout: '12s' });
    expect(summary).toMatch(/```mermaid\n.*\nxychart/);
    const { text } = await lookAt(summary);
    expect(text).toMatch(/❌ Timed out: DaemonSet .*What is blocking the rollout.*not ready.*The rollout over time: 1\d\.\d s.*seconds/s);
    expect(text).not.toContain('xychart');
    expect((await lookAt(summary, { unfold: true })).text).toMatch(/Node\s+Pod\s+Problem\s+Restarts.*not-replaced/s);
  });

  test('contains no markup from the cluster', async () => {
    const cause =
      '</details><img src=x onerror=alert(1)><b>bold</b> [link](https://evil.example) ![x](https://evil.example/x) @octocat | `x` www.evil.example';
    await fleet.rollOut('v4', { cause });
    const { summary } = await fleet.rollback({ 'to-revision': '1' });
    const html = await renderMarkdown(summary);
    expect(html.match(/<(img|b|a|script)\b/g)).toBeNull();
    const { text } = await lookAt(summary, { unfold: true });
    expect(text.replaceAll('\u200b', '')).toContain(cause);
  });
});

test.each([
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync('docs')
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
])('%s is rendered with its diagrams', async (path) => {
  const markdown = readFileSync(path, 'utf8');
  const { text } = await lookAt(markdown, { unfold: true });
  expect(text).toContain(/^# (.*)$/m.exec(markdown)?.[1]);
  expect(text).not.toContain('flowchart');
});
