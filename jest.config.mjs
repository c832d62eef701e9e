const common = {
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '\\.ts$': '<rootDir>/__tests__/strip-types.mjs' },
  testEnvironment: 'node',
  modulePathIgnorePatterns: ['<rootDir>/dist'],
};

const onRealNode = { ...common, globalSetup: '<rootDir>/__tests__/node/setup.ts', globalTeardown: '<rootDir>/__tests__/e2e/teardown.ts' };
const onTestbed = { ...common, globalSetup: '<rootDir>/__tests__/e2e/setup.ts', globalTeardown: '<rootDir>/__tests__/e2e/teardown.ts' };

/** A run of its own, because it takes as long as a third of all others. */
const faultTable = '<rootDir>/__tests__/e2e/fault-table.test.ts';

export default {
  maxWorkers: 2,
  maxConcurrency: 6,
  testTimeout: 180_000,
  projects: [
    { ...common, displayName: 'unit', testMatch: ['<rootDir>/__tests__/unit/**/*.test.ts'] },
    {
      ...onTestbed,
      displayName: 'e2e',
      testMatch: ['<rootDir>/__tests__/{e2e,workflows}/**/*.test.ts'],
      testPathIgnorePatterns: ['/node_modules/', faultTable],
    },
    { ...onTestbed, displayName: 'faults', testMatch: [faultTable] },
    { ...onRealNode, displayName: 'node', testMatch: ['<rootDir>/__tests__/node/**/*.test.ts'] },
    { ...onTestbed, displayName: 'long', testMatch: ['<rootDir>/__tests__/long/**/*.test.ts'] },
  ],
};
