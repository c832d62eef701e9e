/** Takes screenshots of pages in a real browser. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import puppeteer, { type Browser } from 'puppeteer-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];
/** The browser and fonts. Without them, symbols such as those of the verdict are empty boxes. */
const PACKAGES = ['chromium', 'fonts-noto-color-emoji', 'fonts-liberation', 'fonts-dejavu-core'];

/** How the browser displays a page. */
export interface View {
  /** CSS pixels. */
  width: number;
  /** The least height. By default 400. */
  height?: number;
  scheme: 'light' | 'dark';
}

export interface Picture {
  png: Uint8Array;
  /** The visible text. */
  text: string;
  /** By how many CSS pixels the page is wider than the window. */
  overflow: number;
}

/** The path of Chromium or Chrome, from `CHROME_BIN` or the PATH. */
export function findBrowser(): string | undefined {
  const { CHROME_BIN = '', PATH = '' } = process.env;
  const places = PATH.split(delimiter).flatMap((directory) => NAMES.map((name) => join(directory, name)));
  return [CHROME_BIN, ...places].find((path) => path !== '' && existsSync(path));
}

/** Like `findBrowser`, but installs Debian's Chromium if there is none, which needs root. @throws if that is not possible. */
export function ensureBrowser(log: (line: string) => void): string {
  const found = findBrowser();
  if (found) return found;
  if (!existsSync('/usr/bin/apt-get') || process.getuid?.() !== 0) {
    throw new Error('Taking pictures of pages needs Chromium or Chrome. Install one, or set CHROME_BIN to its path.');
  }
  log('installing Chromium (apt-get)');
  const apt = (...parameters: string[]): void => {
    execFileSync('apt-get', ['-qq', ...parameters], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  };
  apt('update');
  apt('install', '--yes', '--no-install-recommends', ...PACKAGES);
  const installed = findBrowser();
  if (!installed) throw new Error('apt-get installed Chromium, but it is not on the PATH. Set CHROME_BIN to its path.');
  return installed;
}

/** A browser that takes pictures of HTML files. Close it after use. */
export class Camera {
  readonly #browser: Browser;
  readonly #profile: string;

  private constructor(browser: Browser, profile: string) {
    this.#browser = browser;
    this.#profile = profile;
  }

  static async open(executablePath: string): Promise<Camera> {
    const profile = mkdtempSync(join(tmpdir(), 'rollback-daemonset-browser-'));
    const browser = await puppeteer.launch({
      executablePath,
      userDataDir: profile,
      // Chromium's sandbox does not work for root, and does not work on every CI machine.
      args: [
        ...(process.getuid?.() === 0 || process.env['CI'] ? ['--no-sandbox'] : []),
        '--disable-gpu',
        '--disable-quic',
        '--disable-background-networking',
        '--disable-component-update',
      ],
    });
    return new Camera(browser, profile);
  }

  /**
   * Takes a picture of the whole page. With `unfold`, all `<details>` are open.
   *
   * @throws if a script on the page fails, or Mermaid cannot draw a diagram.
   */
  async picture(path: string, { width, height = 400, scheme }: View, { unfold = false } = {}): Promise<Picture> {
    const page = await this.#browser.newPage();
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(String(error)));
    try {
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
      await page.setViewport({ width, height, deviceScaleFactor: 2 });
      await page.goto(pathToFileURL(path).href);
      if ((await page.$('code.language-mermaid, pre.mermaid')) !== null) {
        await page.waitForSelector('body[data-diagrams]');
        const drawn = await page.$eval('body', (body) => body.dataset['diagrams']);
        if (drawn !== 'drawn') errors.push(`Mermaid: ${drawn}`);
      }
      if (unfold)
        await page.$$eval('details', (all) => {
          for (const one of all) one.setAttribute('open', '');
        });
      if (errors.length > 0) throw new Error(errors.join('\n'));
      const overflow = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
      const text = await page.evaluate('document.body.innerText');
      return { png: await page.screenshot({ fullPage: true }), text: String(text), overflow: Number(overflow) };
    } finally {
      await page.close();
    }
  }

  async close(): Promise<void> {
    await this.#browser.close();
    rmSync(this.#profile, { recursive: true, force: true });
  }
}
