import type { Testbed } from '../../testbed/testbed.ts';

export default async function teardown(): Promise<void> {
  await (globalThis as { testbed?: Testbed }).testbed?.stop();
}
