const common = {
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '\\.ts$': '<rootDir>/__tests__/strip-types.mjs' },
  testEnvironment: 'node',
  modulePathIgnorePatterns: ['<rootDir>/dist'],
};

const onRealNode = {
  ...common,
  globalSetup: '<rootDir>/__tests__/helpers/node-setup.ts',
  globalTeardown: '<rootDir>/__tests__/helpers/teardown.ts',
};
const onTestbed = {
  ...common,
  globalSetup: '<rootDir>/__tests__/helpers/setup.ts',
  globalTeardown: '<rootDir>/__tests__/helpers/teardown.ts',
};

/**
 * Runs of their own, so that the others end within twenty minutes: each fault at each request, the test bed itself, real runners and browsers, and the
 * command line.
 */
const faults = '<rootDir>/__tests__/e2e/fault-table.test.ts';
const testbed = '<rootDir>/__tests__/e2e/testbed.test.ts';
const pages = '<rootDir>/__tests__/e2e/pages.test.ts';
const commandLine = '<rootDir>/__tests__/e2e/{command-*,ci-secrets,live-view,package,terminal}.test.ts';

export default {
  maxWorkers: 2,
  maxConcurrency: 6,
  testTimeout: 180_000,
  projects: [
    { ...common, displayName: 'unit', testMatch: ['<rootDir>/__tests__/unit/**/*.test.ts'] },
    {
      ...onTestbed,
      displayName: 'e2e',
      testMatch: ['<rootDir>/__tests__/e2e/**/*.test.ts'],
      testPathIgnorePatterns: [
        '/node_modules/',
        faults,
        testbed,
        pages,
        '<rootDir>/__tests__/e2e/(command-.*|ci-secrets|live-view|package|terminal).test.ts',
      ],
    },
    { ...onTestbed, displayName: 'runner', testMatch: ['<rootDir>/__tests__/workflows/**/*.test.ts', pages] },
    { ...onTestbed, displayName: 'cli', testMatch: [commandLine] },
    { ...onTestbed, displayName: 'testbed', testMatch: [testbed] },
    { ...onTestbed, displayName: 'faults', testMatch: [faults] },
    { ...onRealNode, displayName: 'node', testMatch: ['<rootDir>/__tests__/node/**/*.test.ts'] },
    { ...onTestbed, displayName: 'long', testMatch: ['<rootDir>/__tests__/long/**/*.test.ts'] },
  ],
};
