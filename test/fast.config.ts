/** `npm run test:fast`: tells within a minute and a half whether a change is sound. */
import { configDefaults, mergeConfig } from 'vitest/config';
import { slowFiles } from './slow_files.ts';
import config from './vitest.config.ts';

export default mergeConfig(config, { test: { exclude: [...configDefaults.exclude, ...slowFiles] } });
