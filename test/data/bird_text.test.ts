/** Whether a text speaks of birds, against sentences that people sorted without looking at the word lists. */
import { expect, test } from 'vitest';
import { birdIn } from '../../src/data/bird_text.ts';

/** A bird is, or may well be, in the picture. */
const BIRDS = `
A small bird sits on a wire above the street.
Two birds are fighting over a piece of bread.
The owl has its eyes half closed.
What kind of bird is this? This is a great blue heron, recognised by its long legs.
Several geese cross the road in a line.
A flock of seagulls follows the fishing boat.
There is a parrot on the man's shoulder.
Question: What animal is in the cage? Answer: A parakeet.
The photo shows a bald eagle catching a fish.
An eagle soars over the valley with spread wings.
A hummingbird hovers in front of a red flower.
A white swan glides across the lake at dawn.
The ducks swim in the pond next to the bridge.
A mother duck and her ducklings waddle along the path.
A rooster crows behind the wooden fence.
Three hens peck at grains in the yard.
A chicken is walking across the dirt yard of the farm.
Penguins stand together on the ice.
An emperor penguin shelters its young between its feet.
A Northern Cardinal is eating sunflower seeds.
A male cardinal with bright red plumage rests on a snowy branch.
The crane stands in shallow water, its long neck curved, feathers grey.
Two sandhill cranes dance in a field.
A kite with a forked tail perched on a dead tree, looking for prey.
The black kite is a medium-sized bird of prey.
Swallows nested under the eaves of the barn.
A barn swallow feeds its chicks.
A swift has long, narrow wings and spends nearly all its life flying; this species nests in old towers.
A robin with an orange breast pulls a worm from the lawn.
A Robin perched on a garden spade.
The jay has blue feathers and a crest.
A Blue Jay lands on the feeder.
The wild turkey fans its tail in the meadow.
A turkey struts around the barnyard with its feathers puffed up.
Peacocks display their colourful tail feathers.
A crow sits on top of a lamp post.
The raven is black and has a thick beak.
A woodpecker drills a hole in the trunk.
Pigeons gather around the fountain in the square.
A dove holds a twig in its beak.
A great tit hangs upside down from a ball of fat.
The kingfisher dives for a fish.
A puffin carries small fish in its bill.
Flamingos wade in the pink lagoon.
The ostrich is the largest living creature with feathers.
An emu looks straight into the camera.
A hawk circles above the motorway.
A Red-tailed Hawk rests on a telephone pole.
A peregrine falcon can dive at three hundred kilometres an hour.
A vulture spreads its wings to dry them.
The stork built its nest on the chimney.
A pelican swallows a fish whole.
An albatross glides low over the waves.
A sparrow takes a dust bath.
Sparrows, finches and starlings share the feeder.
A goldfinch clings to a thistle.
The nuthatch climbs down the bark head first.
A magpie steals a shiny spoon.
The cockatoo raises its yellow crest.
A macaw eats a nut with one foot.
A toucan with a huge orange bill.
The kiwi is a flightless animal from New Zealand with a long beak.
A snipe hides in the marsh, its long bill in the mud, hardly visible among the reeds.
Black-necked stilts walk through the salt pans.
Canaries chirp in the window.
A yellow canary perched on a swing in its cage.
Fledglings wait in the nest with open beaks.
The nestlings are fed every ten minutes.
A girl feeds the ducks.
A boy holds a baby chick in his hands.
A woman with a falcon on her glove.
The seagull stole the ice cream from the tourist.
Egrets follow the cattle.
An osprey returns to its nest with a trout.
The cormorants dry their wings on the rocks.
A wren sings from the top of the hedge.
Mallards and coots share the pond.
A pheasant runs across the stubble field.
The quail leads her young through the grass.
A thrush cracks a snail on a stone.
The nightingale sings at night in May.
Is the bird in the picture flying or sitting? It is sitting on a branch.
How many birds can you see? There are four.
The image shows Passeriformes of the family Paridae.
A loon calls across the lake.
Lapwings tumble over the fields in spring.
A common tern hovers before it dives.
A group of cranes migrating south in a V, wings spread wide.
A jackdaw looks down the chimney.
The budgie chews on a cuttlebone.
Painting of a partridge in a pear tree.
A child chases pigeons in the park.
Grebes carry their young on their backs.
A spoonbill sweeps its bill through the water.
A hoopoe raises its crest.
The secretarybird stamps on a snake.
Gulls rest on the breakwater.
A cassowary crosses the forest track.
The purple martin house is full of chattering tenants with glossy feathers.
A condor with a three metre wingspan soars over the canyon.
Bird of prey with a rodent in its talons.
The drake has a green head and webbed feet.
`;

/** No bird is in the picture, as far as the text tells. */
const OTHERS = `
A bowl of soup stands on the table.
The crowd cheers as the player scores.
The program emulates an old computer.
A construction crane lifts steel beams over the building site.
Several cranes unload containers in the harbour.
The claw crane machine is full of plush toys.
A tower crane stands beside the unfinished high-rise.
She folded a paper crane.
A boy flies a kite on the beach.
Colourful kites fill the sky above the festival.
The kite's string is tangled in a tree.
A man is kite surfing on the waves.
The flag of Turkey is red with a white crescent.
Istanbul is the largest city in Turkey.
A map of Greece and Turkey.
A turkey sandwich with lettuce and tomato.
Sliced turkey with gravy and cranberry sauce on a plate.
The package was closed with duck tape.
A rubber duck floats in the bathtub.
Taylor Swift sings on the stage.
The code is written in Swift and runs on iOS.
He gave a swift reply.
A swift river runs through the gorge.
It is hard to swallow such a large pill.
Swallow the tablet with a glass of water.
The dog swallowed a sock.
A wooden birdhouse hangs from the porch.
An old birdcage serves as a lamp.
The view of the city is from a bird's-eye perspective.
Robin Hood shoots an arrow.
My friend Robin is wearing a blue jacket.
Batman and Robin stand back to back.
Robin Williams plays the teacher.
Jay is talking on the phone.
Jay-Z performs in New York.
A cardinal in red robes talks to the pope.
The cardinal directions are north, east, south and west.
The Canary Islands belong to Spain.
Fried chicken with fries and a drink.
A bowl of chicken noodle soup.
Grilled chicken on rice with vegetables.
Chickpeas and tomatoes in a curry.
Peking duck is served with pancakes.
The Philadelphia Eagles won the game.
A Boy Scout became an Eagle Scout.
The Atlanta Falcons play at home.
Falcon 9 stands on the launch pad.
Tony Hawk jumps on his skateboard.
A Black Hawk helicopter lands on the field.
A scarecrow stands in the corn field.
A man opens the crate with a crowbar.
Sheryl Crow plays the guitar.
The sailor climbs to the crow's nest.
A penguin book with an orange cover.
The Pittsburgh Penguins celebrate a goal.
Dove soap on the edge of the bath tub.
Two dovetail joints hold the drawer.
A peacock blue sofa in a living room.
A ballet dancer in Swan Lake.
Goosebumps on her arm.
She wears a Canada Goose jacket in the snow.
Kiwi slices and strawberries on a cake.
A bowl with kiwis and bananas.
Tie the knot tightly around the pole.
A red knot of ribbon decorates the gift.
The train runs on a single rail.
She holds on to the hand rail of the stairs.
A skateboarder slides along a rail.
A diver with an oxygen tank swims over the reef.
A scuba diver looks at a turtle.
Paint the wall with a roller.
The roller coaster has three loops.
Children wear roller skates in the park.
A woman in a teal dress stands at the bar.
The walls are painted teal.
His hobby is collecting stamps.
A lamp with a flicker in the dark hall.
The candle flames flicker.
The rook moves in straight lines across the chess board.
A nutcracker doll on the Christmas table.
The Big Dipper is easy to find in the sky.
Martin is reading a newspaper.
An Aston Martin parked in front of a hotel.
A guitar made by Martin.
Phoenix is the capital of Arizona.
Merlin the wizard raises his staff.
A harrier jet takes off from the ship.
The house stands on stilts above the water.
A clown walks on stilts in the parade.
A booby trap hidden in the cave.
He made a birdie on the last hole of the golf course.
Fill in the nest of tables in the corner.
The wings of the airplane are covered with ice.
She wears earrings made of feathers.
An egg is frying in the pan.
A tree with bare branches in winter.
A man with a beaked mask at the carnival.
The bill has to be paid by Friday.
A butterfly spreads its wings on a flower.
A bat hangs from the ceiling of the cave.
A dog catches a frisbee in the park.
Two zebras stand next to each other in the grass.
A cat looks out of the window.
A plane flies above the clouds.
Drake sings his new song.
A cuckoo clock hangs on the wall.
Jack Sparrow stands at the helm.
Florence Nightingale was a nurse.
A pelican case with camera equipment.
Clay pigeon shooting is a sport.
She is a night owl and works late.
The lawyer Atticus Finch defends his client.
The lark of the office told a joke.
A larkspur grows beside the fence.
Ravenous guests empty the buffet.
A gullible customer buys the watch.
The hawker sells fruit from a cart.
Eager students raise their hands.
A teenage chick flick from the nineties.
A ternary operator in the code.
The baker swanned about the hall in a white suit.
Loony drawings cover the fridge.
The quails' eggs are served on toast with a salad.
`;

/** Written after the rules were settled, in the manner of questions and answers about pictures. */
const HELD_OUT_BIRDS = `
What is the animal in the foreground? It is a cormorant drying itself on a buoy.
Describe the image. The picture captures a majestic eagle mid-flight against a clear sky.
Is there anything on the roof? Yes, there are some pigeons.
Which species is shown? Turdus merula, the common blackbird.
The image features two ducks near the shore of a lake, one of them with an open bill.
What is the woman feeding? She is feeding swans.
The scene shows a farm with chickens, a goat and a tractor.
Please caption this. Crane with grey plumage wading through a rice paddy.
What colour is the parrot? Green with a red forehead.
The stamp shows an owl on a branch.
In the background there are seagulls above the harbour cranes.
How many flamingos are there? Seven.
The turkey in the picture is alive and shows its tail feathers to a hen.
Why might the kite be hovering? It has seen prey, and its talons are ready.
The statue is covered with droppings of doves that roost on it.
Can you identify the bird? I believe that it is a juvenile Cooper's hawk.
There is a cockatiel sitting on the keyboard of the laptop.
An ostrich looks over the fence at the children.
The penguin on the left is feeding its young.
A heron waits motionless at the edge of the water.
This is an illustration from a book about ornithology.
The man holds a rooster under his arm.
Goslings follow their parents.
A crow is picking at a plastic bag.
The tattoo shows a swallow with a forked tail and spread wings.
The robin on the fence post has a red breast.
Loons and grebes breed on this lake.
The photo was taken by a birdwatcher in Costa Rica and shows a quetzal.
A hummingbird feeder hangs outside, and two hummingbirds are drinking from it.
A peacock walks through the zoo between the visitors.
The cat stalks a sparrow.
Some gulls and a tern stand on the sandbank.
`;

const HELD_OUT_OTHERS = `
What is the man doing? He is swallowing a sword in front of an audience.
What is the tall machine? It is a yellow crane used to lift heavy loads.
How many kites are there? There are five kites, one of them shaped like a dragon.
Which country is highlighted? The country highlighted on the map is Turkey.
What does the sign say? It says that ducking under the barrier is forbidden.
What does the plate hold? Chicken tikka with rice and naan.
Who wrote Gulliver's Travels? Jonathan Swift wrote it in 1726.
The chart shows that Swift and Kotlin are the most loved languages of mobile developers.
What is on the pizza? Chicken, mushrooms and cheese.
Who is the singer? Robin Thicke.
Who is the player with number seven? That is Jay Cutler.
What is the brand of the shoes? They are by Martin Margiela.
Two men in suits are shaking hands in front of flags.
What fruit is cut in half? A kiwi.
The living room has a teal sofa and a birch table.
The train travels on the rails next to the river.
There is a zebra and a giraffe behind the fence.
The scuba divers look at the coral.
A woman rolls out dough with a rolling pin.
What is the baby holding? A rubber duck.
What does the poster advertise? A concert of the Eagles.
How much is the turkey burger? It costs nine dollars.
The man on the surfboard is wearing a wetsuit.
Which team plays in purple? The Baltimore Ravens.
The boy wears a Batman costume and his brother that of Robin.
The empty birdhouse is painted red.
What is under the window? A flower bed with larkspur and cranesbill.
The tailor cuts a swallowtail coat.
The bathroom has a Dove shampoo bottle on the shelf.
The ram butts its head against the gate.
A group of people stands in a crowd in front of the bowling alley.
What kind of plane is it? It is an F-16 Fighting Falcon of the air force.
The logo of Twitter was changed to an X.
She made a nest of blankets on the couch.
The phone runs Linux.
A toy crane stands on the carpet.
The elephant flaps its ears.
A hot air balloon floats above the valley.
How many eggs are in the carton? A dozen.
A pillow filled with feathers.
`;

/** Precision and recall are worth what these are worth: they stay as they were when the rules are changed. */
function linesOf(text: string): string[] {
  return text.trim().split('\n');
}

/** Shares of what was found rightly, and what was got wrong for the person who mends it. */
function judged(birds: string[], others: string[]) {
  const missed = birds.filter((text) => birdIn(text) === undefined);
  const mistaken = others.filter((text) => birdIn(text) !== undefined);
  const found = birds.length - missed.length;
  return { recall: found / birds.length, precision: found / (found + mistaken.length), missed, mistaken };
}

test('precision and recall over sorted sentences', () => {
  const [birds, others] = [linesOf(BIRDS), linesOf(OTHERS)];
  expect(birds.length).toBeGreaterThanOrEqual(100);
  expect(others.length).toBeGreaterThanOrEqual(120);
  const { recall, precision, missed, mistaken } = judged(birds, others);
  expect(recall, `missed: ${missed.join(' ')}`).toBeGreaterThanOrEqual(0.99);
  expect(precision, `mistaken: ${mistaken.join(' ')}`).toBeGreaterThanOrEqual(0.99);
});

test('precision and recall over questions and answers that were held out', () => {
  const { recall, precision, missed, mistaken } = judged(linesOf(HELD_OUT_BIRDS), linesOf(HELD_OUT_OTHERS));
  expect(recall, `missed: ${missed.join(' ')}`).toBeGreaterThanOrEqual(0.95);
  expect(precision, `mistaken: ${mistaken.join(' ')}`).toBeGreaterThanOrEqual(0.95);
});
