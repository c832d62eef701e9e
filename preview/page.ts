/** Renders a job summary or a page of the docs as GitHub does: GitHub Flavored Markdown, sanitized, with GitHub's stylesheet and Mermaid. */
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { common } from '@wooorm/starry-night';
import { micromark } from 'micromark';
import { gfm, gfmHtml } from 'micromark-extension-gfm';
import { rehypeGithubAlerts } from 'rehype-github-alerts';
import rehypeParse from 'rehype-parse';
import rehypeSanitize, { defaultSchema } from 'rehype-sanitize';
import starryNight from 'rehype-starry-night';
import rehypeStringify from 'rehype-stringify';
import { unified } from 'unified';

const file = (specifier: string): URL => new URL(import.meta.resolve(specifier));

// The schema is modeled on GitHub's (hast-util-sanitize), so it keeps the HTML in Markdown that GitHub keeps.
const processor = unified()
  .use(rehypeParse, { fragment: true })
  .use(rehypeSanitize, defaultSchema)
  .use(rehypeGithubAlerts, {})
  .use(starryNight, { grammars: common, allowMissingScopes: true })
  .use(rehypeStringify);

/** Renders GitHub Flavored Markdown to the HTML that GitHub inserts into its page. */
export async function renderMarkdown(markdown: string): Promise<string> {
  const html = micromark(markdown, { allowDangerousHtml: true, extensions: [gfm()], htmlExtensions: [gfmHtml()] });
  return String(await processor.process(html));
}

/** What a reader sees of rendered HTML: its text, without elements and their attributes. */
export function visibleText(html: string): string {
  return html
    .replace(/<[^>]*>/g, '')
    .replace(/&lt;|&#x3C;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/&amp;|&#x26;/g, '&');
}

/** Renders a whole HTML page, light or dark as set in the reader's system, in a box with a title as for a job summary. */
export async function renderPage(markdown: string, title: string): Promise<string> {
  const content = await renderMarkdown(markdown);
  const mermaid = content.includes('class="language-mermaid"') ? diagrams() : '';
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>
${readFileSync(file('github-markdown-css/github-markdown.css'), 'utf8')}
:root { color-scheme: light dark; --page: #f6f8fa; --box: #ffffff; --line: #d1d9e0; --text: #1f2328 }
@media (prefers-color-scheme: dark) { :root { --page: #010409; --box: #0d1117; --line: #3d444d; --text: #f0f6fc } }
body { margin: 0; padding: 16px; background: var(--page); color: var(--text); font: 14px/1.5 -apple-system, BlinkMacSystemFont, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif }
main { max-width: 1012px; margin: 0 auto; background: var(--box); border: 1px solid var(--line); border-radius: 6px }
header { padding: 12px 16px; border-bottom: 1px solid var(--line); font-weight: 600 }
.markdown-body { padding: 16px; font-size: 14px }
pre.mermaid { background: none }
</style>
</head>
<body>
<main>
<header>${title}</header>
<article class="markdown-body">
${content}
</article>
</main>
${mermaid}</body>
</html>
`;
}

function diagrams(): string {
  const script = pathToFileURL(file('mermaid').pathname.replace(/[^/]+$/, 'mermaid.min.js'));
  return `<script src="${script}"></script>
<script>
for (const block of document.querySelectorAll('code.language-mermaid')) {
  const diagram = document.createElement('pre');
  diagram.className = 'mermaid';
  diagram.textContent = block.textContent;
  block.parentElement.replaceWith(diagram);
}
mermaid.initialize({ startOnLoad: false, theme: matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'default' });
mermaid.run({ querySelector: 'pre.mermaid' }).then(
  () => { document.body.dataset.diagrams = 'drawn'; },
  (error) => { document.body.dataset.diagrams = String(error.message ?? error); },
);
</script>
`;
}
