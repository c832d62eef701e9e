import './fail-closed.ts';
import { commandLine } from './command-line.ts';

/** How long connections that are still open may keep the process, once everything is reported. */
const LINGER_MS = 1_000;

void commandLine(process.argv.slice(2), process.env).then((exitStatus) => {
  process.exitCode = exitStatus;
  setTimeout(() => process.exit(), LINGER_MS).unref();
});
