/** `npm run bench -- NAME...`: one JSON object a line; without a name, all of them. */

const benches: Record<string, () => Promise<AsyncGenerator<object> | Generator<object>>> = {
  step: async () => (await import('./step.ts')).step(),
  decode: async () => (await import('./decode.ts')).decode(),
  data: async () => (await import('./data.ts')).data(),
  epoch: async () => (await import('./epoch.ts')).epoch(),
  dashboard: async () => (await import('./dashboard.ts')).dashboard(),
  ranks: async () => (await import('./ranks.ts')).ranks(),
  serve: async () => (await import('./serve.ts')).serve(),
  features: async () => (await import('./pretrained.ts')).features(),
  head: async () => (await import('./pretrained.ts')).head(),
  finetune: async () => (await import('./pretrained.ts')).finetune(),
  photos: async () => (await import('./accuracy.ts')).photos(),
  stamps: async () => (await import('./accuracy.ts')).stamps(),
  cifar: async () => (await import('./accuracy.ts')).cifar(),
  'metal-cost': async () => (await import('./metal_cost.ts')).metalCost(),
};

const asked = process.argv.slice(2);
const unknown = asked.find((name) => !Object.hasOwn(benches, name));
if (unknown !== undefined) {
  console.error(`There is no bench "${unknown}"; take one of ${Object.keys(benches).join(', ')}.`);
  process.exit(2);
}
for (const name of asked.length > 0 ? asked : Object.keys(benches)) {
  for await (const result of await benches[name]!()) console.log(JSON.stringify(result));
}
