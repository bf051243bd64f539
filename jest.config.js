export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': ['@swc/jest', {
      jsc: { target: 'es2022', parser: { syntax: 'typescript', explicitResourceManagement: true } },
      module: { type: 'es6' },
    }],
  },
  // Jest's own 5 seconds are soon over where two of its workers, and whatever else runs, share the cores.
  testTimeout: 60_000,
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  // On libraries built from source, by npm run test:source.
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/test/source/'],
}
