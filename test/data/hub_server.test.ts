/** The hub of the tests answers as the hub's own client expects. */
import { createHash } from 'node:crypto';
import { datasetInfo, downloadFile, listFiles, pathsInfo } from '@huggingface/hub';
import { expect, test } from 'vitest';
import { startHub } from './hub_server.ts';

const big = new Uint8Array(200_000).map((_, i) => (i * 7) % 251);
const files = { 'data/a b.parquet': big, 'data/sub/c.parquet': big.subarray(5), 'README.md': '# hello\n' };
const repo = { type: 'dataset', name: 'owner/birds' } as const;

test('its answers pass through @huggingface/hub', async () => {
  const { endpoint: hubUrl, requests, sent } = await startHub({ 'owner/birds': { files } });
  const info = await datasetInfo({ name: repo.name, hubUrl, additionalFields: ['sha'] });
  expect(info).toMatchObject({ name: 'owner/birds', gated: false, private: false });
  expect(info.sha).toMatch(/^[0-9a-f]{40}$/);
  const paths: string[] = [];
  for await (const { path } of listFiles({ repo, hubUrl, recursive: true })) paths.push(path);
  expect(paths).toEqual(['data', 'data/sub', 'README.md', 'data/a b.parquet', 'data/sub/c.parquet']);
  expect(requests.filter(({ url }) => url.includes('/tree/'))).toHaveLength(2);
  const [entry] = await pathsInfo({ repo, hubUrl, paths: ['data/a b.parquet'] });
  expect(entry!.lfs).toMatchObject({ oid: createHash('sha256').update(big).digest('hex'), size: 200_000 });
  const blob = await downloadFile({ repo, hubUrl, path: 'data/sub/c.parquet', xet: false });
  expect(new Uint8Array(await blob!.slice(10, 30).arrayBuffer())).toEqual(big.slice(15, 35));
  expect(sent['data/sub/c.parquet']).toBe(21);
  expect(requests.at(-1)).toMatchObject({ host: 'cdn', path: 'data/sub/c.parquet' });
});
