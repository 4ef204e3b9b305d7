/** Data sets ready made (`--preset`): what they are made of, and the bytes that they must have. */

/** What a recipe sets; an option given beside it wins. */
export interface RecipeOptions {
  data?: string[];
  birds?: string[];
  notBirds?: string[];
  val?: string[];
  imageSize?: number;
}

export interface Recipe {
  /** What is in it, in one sentence. */
  about: string;
  /** What is fetched. */
  download: string;
  licence: string;
  /** What holds it to the same bytes. */
  pinned: string;
  options: RecipeOptions;
}

/** The commits that MTEB, the embedding benchmark, names for these two. */
const CIFAR10 = 'uoft-cs/cifar10@0b2714987fa478483af9968de7c934580d0bb9a2';
const STL10 = 'tanganke/stl10@49ae7f94508f7feae62baf836db284306eab0b0f';

const CUB = 'bentrevett/caltech-ucsd-birds-200-2011';

const BY_BYTES = 'by commit and by the sha256 of each file, in this package';

export const recipes = {
  demo: {
    about: '7,300 drawings of four emoji sets, 80 of them birds; shows that everything works',
    download: 'nothing: they came as npm packages',
    licence: 'Noto Emoji Apache-2.0, Twemoji CC-BY-4.0, Fluent Emoji MIT, OpenMoji CC-BY-SA-4.0',
    pinned: 'by the versions of the packages',
    options: { data: ['demo'] },
  },
  quick: {
    about: 'STL-10: 5,000 photos of 96 x 96 pixels from one source, 500 of them birds',
    download: '89 MB, no account',
    licence: 'none stated; its photos come from ImageNet, for research',
    pinned: BY_BYTES,
    options: { data: [`hf:${STL10}:data/train-*.parquet?label=bird`] },
  },
  'cifar10-birds': {
    about:
      'CIFAR-10: 60,000 photos of 32 x 32 pixels from one source, 6,000 of them birds; its test set validates',
    download: '144 MB, no account',
    licence: 'none stated; its authors ask to be cited (Krizhevsky 2009)',
    pinned: BY_BYTES,
    options: {
      data: [`hf:${CIFAR10}:plain_text/train-*.parquet?label=bird`],
      val: [`hf:${CIFAR10}:plain_text/test-*.parquet?label=bird`],
      imageSize: 32,
    },
  },
  cub: {
    about:
      'CUB-200-2011: 11,788 photos of 200 species of birds, about 60 each; its own test half validates. Some of its photos are in ImageNet, too',
    download: '1.15 GB, no account',
    licence: 'none stated on the hub; its authors allow non-commercial research and education',
    pinned: 'by birbs.lock.json, from the first use on: no commit of this mirror is known to this package',
    options: {
      data: [`hf:${CUB}:data/train-*.parquet`],
      val: [`hf:${CUB}:data/test-*.parquet`],
    },
  },
  nabirds: {
    about:
      'NABirds: 48,562 photos of 555 kinds of birds, with the groups that they belong to; its own test half validates',
    download:
      'nothing: the archive (9.8 GB) you get from dl.allaboutbirds.org/nabirds and save as data/nabirds.tar.gz, or name with ' +
      '--data nabirds:PATH',
    licence: 'the terms of the Cornell Lab of Ornithology, on the page where you get it',
    pinned: 'by birbs.lock.json, from the first use on: no sha256 of NABirds is known to this package',
    options: {
      data: ['nabirds:data/nabirds.tar.gz?split=train'],
      val: ['nabirds:data/nabirds.tar.gz?split=test'],
    },
  },
  birbs: {
    about:
      'NABirds, 48,562 photos of birds, against 3,000 photos of anything else from Honey-Data-15M; the data of the first birbs. ' +
      'Birds and others come from two sources: try what it learns on photos of your own',
    download:
      'about 600 MB, and the archive of NABirds (9.8 GB), which you get from dl.allaboutbirds.org/nabirds and save as ' +
      'data/nabirds.tar.gz, or name with --birds nabirds:PATH',
    licence:
      'NABirds: the terms of the Cornell Lab of Ornithology, on the page where you get it; Honey-Data-15M: none stated since October 2025',
    pinned:
      'by birbs.lock.json, from the first use on: no commit of Honey-Data-15M and no sha256 of NABirds is known to this package',
    options: {
      birds: ['nabirds:data/nabirds.tar.gz'],
      notBirds: ['hf:Open-Bee/Honey-Data-15M:General/Objects365/*.parquet?limit=3000'],
    },
  },
} satisfies Record<string, Recipe>;

export type RecipeName = keyof typeof recipes;

export const recipeNames = Object.keys(recipes) as RecipeName[];

/**
 * The sha256 of files at a commit, wherever they are fetched from. Those of CIFAR-10 stand in nine public programs and
 * reports that fetch them; those of STL-10 in one, which compares what is in them with the checksums of Stanford's own
 * archive.
 */
export const publishedFiles: Record<string, Record<string, string>> = {
  [CIFAR10]: {
    'plain_text/test-00000-of-00001.parquet':
      '841389e6f2d64f28bf17310e430aebac20ec3ba611a3c5e231dc93c645ce84de',
    'plain_text/train-00000-of-00001.parquet':
      '8428b53a88a11ac374111006708df51469e315a22ac6d66470afd9c78d2ae883',
  },
  [STL10]: {
    'data/test-00000-of-00001.parquet': '298b23e983c755dfba2c69dec181340221deb1a5ad6651990c7c5c559fb892be',
    'data/train-00000-of-00001.parquet': 'b450f19e41454731be0bcddc7093fcf9793fe9b64ea795e6ef18ca77f34c353d',
  },
};
