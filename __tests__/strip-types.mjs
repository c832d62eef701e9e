// Tests run the sources as Node runs them: types are blanked out, nothing else changes.
import { stripTypeScriptTypes } from 'node:module';

export default {
  process: (source) => ({ code: stripTypeScriptTypes(source) }),
};
