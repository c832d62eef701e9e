// Tests run the sources like Node does: types are replaced by blanks, nothing else changes.
import { stripTypeScriptTypes } from 'node:module';

export default {
  process: (source) => ({ code: stripTypeScriptTypes(source) }),
};
