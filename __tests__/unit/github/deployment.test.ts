import { expect, test } from '@jest/globals';
import { chooseDeployment, leadsTo } from '../../../src/github/deployment.ts';

const pages = 'https://github.com/octo/fleet/actions/runs/12';

test.each([
  [{ log_url: `${pages}/job/3` }, true],
  [{ target_url: `${pages}/job/3`, log_url: '' }, true],
  [{ log_url: pages }, true],
  [{ log_url: 'https://github.com/Octo/Fleet/actions/runs/12/job/3' }, true],
  [{ log_url: `${pages}3/job/3` }, false],
  [{ log_url: `https://evil.example/?${pages}/job/3` }, false],
  [{ log_url: 'https://github.com/octo/other/actions/runs/12/job/3' }, false],
  [{}, false],
])('%j leads to the run: %s', (status, leads) => {
  expect(leadsTo(status, pages)).toBe(leads);
});

test('the deployment of a run is the one to its only environment', () => {
  const [staging, production] = [
    { id: 1, environment: 'staging' },
    { id: 2, environment: 'production' },
  ];
  expect(chooseDeployment([production])).toMatchObject({ id: 2, environment: 'production', startedRun: false });
  expect(chooseDeployment([])).toMatch(/has none/);
  expect(chooseDeployment([staging, production])).toMatch(/\(staging, production\)/);
});
