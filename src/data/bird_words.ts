/**
 * The words by which a text mentions birds; readers who know birds are welcome to extend them.
 *
 * How bird_text.ts uses them: it compares whole words, so "bowl" is no owl, "crowd" no crow and "birdhouse" no bird. List
 * words in the singular and in lower case; regular plurals (owls, finches, canaries) are found, irregular ones are in
 * PLURALS. A hyphen counts as a space: an eagle-owl is an eagle and an owl.
 *
 * 1. Phrases of NOT_BIRDS are removed from the text.
 * 2. A remaining word of CLEAR or phrase of PHRASES is a bird.
 * 3. A word of LIKELY starts with 2 points, one of UNLIKELY with none. Within 12 words to either side each strong sign
 *    adds 2 points and each weak sign 1; each word behind the colon subtracts 2. So does a capital letter, which makes the
 *    word a name, unless it is a plural or most words around have one. A word with 2 points or more is a bird.
 *
 * When in doubt, a row is dropped: losing a negative costs little, but a bird among the negatives is a wrong label.
 */

/** Nothing but birds. */
export const CLEAR = `
bird songbird seabird shorebird waterbird waterfowl wildfowl fowl guineafowl peafowl birdlife birdsong birdwatching
birdwatcher birder birding avian aviary ornithology ornithologist ornithological passerine raptor plumage
fledgling nestling hatchling duckling gosling cygnet owlet eaglet

blackbird bluebird redbird lovebird mockingbird hummingbird catbird cowbird kingbird antbird bellbird bowerbird
butcherbird fernbird friarbird frigatebird grassbird leafbird lyrebird mousebird oilbird ovenbird puffbird
riflebird ricebird scrubbird secretarybird snowbird stitchbird sugarbird sunbird tailorbird tropicbird
umbrellabird wattlebird waxbill weaverbird whipbird

accentor albatross anhinga antpitta antshrike antthrush antwren apalis aracari auk auklet avadavat avocet babbler
bananaquit barbet bateleur becard bittern blackcap bluethroat bobolink bobwhite brambling brant
brolga bronzewing budgerigar budgie bufflehead bulbul bullfinch bunting bushtit bustard buzzard cacique
canvasback capercaillie caracara cassowary chachalaca chaffinch chickadee chiffchaff chough chukar cisticola
cockatiel cockatoo cockerel conure coot cordonbleu cormorant corncrake corvid cotinga coua coucal crake crossbill
cuckoo curassow curlew currawong dabchick dickcissel dodo dotterel dowitcher drongo dunlin dunnock egret eider
elaenia emu euphonia fairywren fieldfare fieldwren firecrest firefinch flamingo flowerpecker
flowerpiercer flycatcher francolin frogmouth fulmar gadwall galah gallinule gannet garganey gnatcatcher
godwit goldcrest goldeneye goldfinch goosander goshawk grackle grebe greenfinch greenshank greylag grosbeak
grouse guan guillemot gull gyrfalcon hadada hamerkop hawfinch heron hoatzin honeycreeper honeyeater
honeyguide hoopoe hornbill ibis iora jabiru jacamar jacana jackdaw jaeger junco kagu kakapo kestrel killdeer
kingfisher kinglet kiskadee kittiwake koel kookaburra lammergeier lapwing laughingthrush limpkin linnet longspur
loon lorikeet macaw magpie malkoha mallard manakin mannikin marabou martlet meadowlark megapode merganser minivet
moa monal moorhen motmot munia murre murrelet myna mynah nene nighthawk nightingale nightjar nuthatch oriole
oropendola osprey ostrich ouzel owl oxpecker oystercatcher parakeet pardalote parrot parrotlet parula peahen
pelican petrel pewee phalarope pheasant piculet pigeon pintail pipit pitta plover pochard poorwill potoo prinia
ptarmigan puffin quelea quetzal razorbill redpoll redshank redstart roadrunner rooster rosefinch rosella
sanderling sandgrouse sandpiper sapsucker scaup scoter seagull seedeater seriema shearwater sheathbill shelduck
shoebill shoveler shrike sicklebill siskin skua skylark sora sparrow sparrowhawk spinetail spoonbill spurfowl
starling stonechat stork sunbittern swiftlet tanager tapaculo tchagra tern thornbill thrasher thrush tinamou
titmouse tityra toucan toucanet towhee tragopan treecreeper treepie trogon turaco turnstone veery verdin vireo
vulture wagtail wallcreeper warbler waxwing weka wheatear whimbrel whinchat whippoorwill whitethroat widgeon
wigeon willet woodcock woodcreeper woodhoopoe woodlark woodpecker woodpigeon wryneck xenops yellowhammer
yellowlegs yellowthroat

aves accipiter accipitridae anatidae anseriformes ardeidae columbidae columbiformes corvidae falconiformes
fringillidae galliformes hirundinidae icterid icteridae laridae paridae parulidae passeridae passeriformes
phasianidae picidae piciformes psittaciformes psittacine rallidae spheniscidae strigidae strigiformes
sturnidae trochilidae turdidae tyrannidae
`;

/** Birds of two words of which neither is clear alone, or which are written like names. */
export const PHRASES = `
bird of paradise; bee eater; bald eagle; golden eagle; fish eagle; sea eagle; harpy eagle; white tailed eagle
blue jay; scrub jay; gray jay; grey jay; green jay; eurasian jay; northern cardinal; red cardinal; female cardinal
male cardinal; american robin; european robin; robin redbreast; barn swallow; tree swallow; cliff swallow
bank swallow; common swift; chimney swift; alpine swift; purple martin; sand martin; house martin
sandhill crane; whooping crane; crowned crane; common crane; sarus crane; demoiselle crane; red crowned crane
black kite; red kite; brahminy kite; mississippi kite; swallow tailed kite; snail kite; whistling kite; black winged kite
wild turkey; brush turkey; tom turkey; turkey hen; blue tit; great tit; coal tit; marsh tit; willow tit; crested tit
long tailed tit; bearded tit; blue footed booby; red footed booby; brown booby; masked booby; american crow
carrion crow; hooded crow; house crow; murder of crows; california condor; andean condor; northern flicker
gilded flicker; clapper rail; virginia rail; water rail; king rail; common snipe; jack snipe; black winged stilt
black necked stilt; green winged teal; blue winged teal; cinnamon teal; eurasian teal; common teal; horned lark
crested lark; eastern phoebe; black phoebe; brown creeper; white throated dipper; american dipper; hen harrier
marsh harrier; northern harrier; european roller; lilac breasted roller; indian roller; black skimmer
spotted nutcracker; clark's nutcracker; brown kiwi; kiwi bird; greater rhea; great northern diver; peregrine falcon
house finch; zebra finch; purple finch; house wren; carolina wren; winter wren; bewick's wren; cactus wren
red tailed hawk; cooper's hawk; sharp shinned hawk; red shouldered hawk; mourning dove; collared dove; rock dove
turtle dove; common raven; emperor penguin; king penguin; gentoo penguin; adelie penguin; african penguin
humboldt penguin; wood duck; muscovy duck; mandarin duck; ruddy duck; tufted duck; canada goose; snow goose
egyptian goose; mute swan; trumpeter swan; tundra swan; black swan; whooper swan; indian peacock; feathered friend
`;

/** Mostly birds. Behind the colon are words that speak against it; FOOD and NAME mean the lists below. */
export const LIKELY = `
chick: FOOD pea flick girl movie
chicken: FOOD
cock: FOOD
condor: airline airlines flight boeing airport operation
crow: NAME sheryl album law tribe bar
dove: NAME soap shampoo chocolate deodorant lotion skin brand
duck: FOOD tape rubber toy bathtub donald daffy duct under behind down
eagle: NAME FOOD scout scouts football philadelphia coat emblem logo band nfl golf par lands apollo
falcon: NAME heavy spacex rocket millennium atlanta nfl ford marvel
finch: NAME atticus lawyer
goose: FOOD jacket parka vodka mother bumps chase
hawk: NAME tony skateboard skateboarder helicopter atlanta nba war
hen: FOOD party night do
partridge: NAME family
peacock: NAME tv streaming network blue chair
penguin: NAME book books publisher publishing classics hockey pittsburgh nhl linux biscuit batman
poultry: FOOD shears
quail: FOOD
raven: NAME baltimore nfl poe symone titans football
robin: NAME hood batman reliant round
swan: NAME ballet dive song theory pedal lamp
turtledove: NAME
wren: NAME christopher architect cathedral kitchen kitchens
`;

/** Mostly something else: only with signs around it a bird. */
export const UNLIKELY = `
birdie: golf par putt hole badminton racket shuttlecock court
booby: trap prize
canary: island islands wharf tenerife deploy release
cardinal: NAME direction directions number numbers sin pope vatican church catholic bishop arizona louis baseball
crane: NAME construction building machine operator truck tower harbor harbour port cargo container containers ship dock crate load lift lifting hook steel boom site excavator origami paper folded
creeper: vine plant minecraft virginia
dipper: sauce big little constellation star stars ursa spoon soup
diver: scuba underwater suit mask pool olympic oxygen cave tank diving coral
drake: NAME rapper song album music francis
flicker: light lights flame candle screen bulb lamp
harrier: jet aircraft fighter takeoff vtol
hobby: stamp craft model shop fun leisure enjoy collecting
jay: NAME
kea: NAME
kite: string strings beach toy child children boy girl kid kids man woman people holding colorful colourful surfing surfer festival park diamond wind
kiwi: fruit fruits slice slices sliced FOOD strawberry banana orange green smoothie zealander
knot: tie tied rope string shoelace hair wood bow
lark: NAME joke fun
martin: NAME guitar luther aston
merlin: NAME wizard arthur magic camelot engine
nutcracker: ballet doll soldier christmas walnut
phoebe: NAME buffet friends
phoenix: NAME arizona suns city fire ashes mythical
rail: train trains track tracks rails hand stairs fence guard metal station grind skateboard freight commuter balcony
rhea: NAME saturn titan
roller: paint coaster skate skates skating derby hair rink
rook: chess board pawn bishop queen king castle
ruff: collar portrait lace neck elizabethan
skimmer: pool ladle spoon slotted net
snipe: sniper auction rifle
stilt: house houses walking clown walker legs circus
swallow: pill pills food drink water throat mouth pride whole medicine chew gulp hard tablet tablets
swift: NAME taylor code language programming apple concert singer river response action reply current runner car suzuki quick xcode ios developer
teal: blue color colour wall dress shirt paint green background painted couch
tit: tat
turkey: FOOD country istanbul ankara turkish greece syria europe map flag president government travel hotel thanksgiving border city capital minister earthquake mediterranean
`;

/** Words about food. */
export const FOOD = `
food dish plate meal dinner lunch breakfast sandwich soup salad sauce curry rice noodle noodles pasta pizza burger taco
wrap grilled fried roast roasted baked boiled smoked cooked cooking cook raw sliced shredded diced nugget nuggets tender
tenders breast thigh thighs drumstick drumsticks broth stock stew kebab skewer skewers barbecue bbq fillet recipe menu
restaurant delicious tasty cheese bacon lettuce tomato potato potatoes fries vegetable vegetables broccoli carrot carrots
bread bun stuffing gravy cranberry pie oven meat beef pork serving served eat eating calories protein seasoned confit
peking sausage oz pound kfc noodle waffle waffles fork spice spices marinated
`;

/** Words about people. */
export const NAME = `
mr mrs ms dr sir john said says told asked actor actress singer author writer character superhero
director played plays born wrote
`;

/** One of these near a word makes it a bird. */
export const STRONG_SIGNS = `
feather feathered beak talon wingspan nest nesting nested perch perched perching flock chirp chirping peck pecking preen
preening roost roosting fledged hatched migratory birds bird webbed flightless wading gobbler birdfeeder birdbath
songbird wingbeat plumage waterfowl
`;

/** Two of these do. */
export const WEAK_SIGNS = `
wing bill egg branch twig flying flies flew soar soaring soars hover hovering species wildlife
migrate migrates migrating migrated migration wetland marsh pond feeder forage foraging breast breasted crest crested tail sings singing nature
animal prey wild claw tree leg neck sky throated winged field meadow reed insect worm seed
farm barnyard
`;

/** Phrases with the name of a bird that are about something else. */
export const NOT_BIRDS = `
bird's eye; bird flu; bird scooter; angry birds; early bird; larry bird; lady bird johnson; big bird; bird house; bird cage
bird bath; bird feeder; bird seed; bird table; bird box; flipped the bird; ford thunderbird; the birds by alfred
duck tape; duct tape; duck duck go; duck face; rubber duck; rubber ducky; rubber duckie; lame duck; sitting duck; duck boots
daffy duck; donald duck; duck soup; duck under; duck behind; duck down; duck out; duck into; duck canvas; peking duck
chicken wire; chicken pox; chicken and egg; chicken out; chicken coop wire; chick fil a; chick flick; chick pea
cold turkey; goose bump; mother goose; goose chase; grey goose vodka; canada goose jacket; canada goose parka
swan lake; swan dive; swan song; black swan event; black swan theory; black hawk helicopter; tony hawk; atlanta hawks
hawk eye; falcon 9; falcon heavy; millennium falcon; atlanta falcons; philadelphia eagles; eagle eye; eagle eyed
eagle scout; eagle pose; legal eagle; american eagle outfitters; spread eagle; eagle has landed; desert eagle
baltimore ravens; baltimore orioles; toronto blue jays; arizona cardinals; st louis cardinals; pittsburgh penguins
penguin books; penguin classics; penguin random house; club penguin; anaheim ducks; mighty ducks; seattle seahawks
new orleans pelicans; pelican case; pelican brief; pelican crossing; osprey backpack; v 22 osprey; sparrow missile
jack sparrow; florence nightingale; vulture capitalist; vulture fund; clay pigeon; pigeon hole; stool pigeon
cuckoo clock; flamingo hotel; flamingo las vegas; famous grouse; goldeneye 007; monty python; parrot drone
puffin books; night owl; owl city; parrot ar drone; roadrunner internet; magpie murders; gull wing; stork club
oral thrush; thrush infection; loon mountain; kingfisher beer; kingfisher airlines; ostrich leather; emu war; dodo airlines
starling bank; clarice starling; tern furniture; scissor tailed plane; swallow tail coat; swallow tail butterfly
crow's nest; crow's feet; as the crow flies; jim crow; sheryl crow; crow bar; scare crow; counting crows
crane machine; claw crane; construction crane; tower crane; frasier crane; ichabod crane; paper crane; origami crane
kite surfing; kite surfer; kite board; kite string; kite festival; flying a kite; fly a kite; flying kites; kiwi fruit
taylor swift; jonathan swift; swift code; martin luther; aston martin; lockheed martin; ricky martin; steve martin
robin hood; robin williams; batman and robin; round robin; christopher robin; jay z; jay leno; blue jay way
cardinal direction; cardinal number; cardinal point; canary island; canary wharf; canary yellow; booby trap; harrier jet; guard rail
hand rail; rail road; roller coaster; roller skate; roller blade; paint roller; virginia creeper; hobby horse; hobby lobby
hard to swallow; tie the knot; tit for tat; big dipper; little dipper; turkey sandwich; roast turkey; hen party; hen night
dove soap; dove tail; peacock tv; peacock chair; bird of paradise flower; bird of paradise plant; bird shaped; bird print
`;

/** Irregular plurals. */
export const PLURALS = `geese goose; titmice titmouse; fowl fowl; ibises ibis; albatrosses albatross`;
