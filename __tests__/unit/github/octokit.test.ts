import { expect, test } from '@jest/globals';
import { explainAnswer, type Failure } from '../../../src/github/octokit.ts';

test.each<[number, Record<string, string>, string, Failure]>([
  [403, {}, 'Resource not accessible by integration', 'forbidden'],
  [403, {}, 'Resource not accessible by personal access token', 'forbidden'],
  [403, {}, 'Must have admin rights to Repository.', 'forbidden'],
  [404, {}, 'Not Found', 'forbidden'],
  [403, {}, 'Unable to create comment because issue is locked.', 'answer'],
  [403, {}, 'You have exceeded a secondary rate limit.', 'rate-limit'],
  [403, { 'retry-after': '60' }, 'Slow down.', 'rate-limit'],
  [403, { 'x-ratelimit-remaining': '0' }, 'No more.', 'rate-limit'],
  [404, { 'x-ratelimit-remaining': '0' }, 'Not Found', 'forbidden'],
  [429, {}, '', 'rate-limit'],
  [401, {}, 'Bad credentials', 'unauthorized'],
  [301, {}, 'Moved Permanently', 'answer'],
  [422, {}, 'Validation Failed', 'answer'],
  [502, {}, '', 'answer'],
])('%s %j %s is %s', (status, headers, message, failure) => {
  const error = explainAnswer(status, headers, { message });
  expect(error.failure).toBe(failure);
  expect(error.message).toContain(`GitHub answered ${status}`);
  expect(error.message).toContain(message);
});

test.each(['', '<html><h1>Bad gateway</h1>', null, { message: 3 }, []])('an answer of %j has no message', (data) => {
  expect(explainAnswer(500, {}, data).message).toBe('GitHub answered 500');
});
