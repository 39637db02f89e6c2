package catalogue

import (
	"strconv"
	"strings"
)

// builtinTitles invents titles, each different from those before.
type builtinTitles struct {
	source *builtinSource
	seen   map[string]bool
	forms  []string // each as often as it weighs
	words  [128][]string
	title  []byte // the one being invented
}

func newBuiltinTitles() *builtinTitles {
	t := &builtinTitles{
		source: newBuiltinSource(builtinStageTitle),
		seen:   make(map[string]bool, builtinMovies),
	}
	for _, f := range builtinForms {
		for range f.weight {
			t.forms = append(t.forms, f.form)
		}
	}
	for _, w := range builtinWords {
		words := strings.Fields(w.list)
		for i := range words {
			words[i] = strings.ReplaceAll(words[i], "~", " ")
		}
		t.words[w.letter] = words
	}
	return t
}

// next returns a title that ends in the year. A title may come back with
// another year, as remakes do.
func (t *builtinTitles) next(year uint64) string {
	for {
		t.title = t.appendWords(t.title[:0])
		t.title = append(t.title, " ("...)
		t.title = strconv.AppendUint(t.title, year, 10)
		t.title = append(t.title, ')')
		if !t.seen[string(t.title)] {
			title := string(t.title)
			t.seen[title] = true
			return title
		}
	}
}

// appendWords appends a form filled with words, no word twice running.
func (t *builtinTitles) appendWords(b []byte) []byte {
	form, word := t.pick(t.forms), ""
	for i := 0; i < len(form); i++ {
		if form[i] != '%' {
			b = append(b, form[i])
			continue
		}
		i++
		last := word
		for word == last {
			word = t.pick(t.words[form[i]])
		}
		b = append(b, word...)
	}
	if strings.HasSuffix(form, ", A") && strings.IndexByte("AEIOU", b[0]) >= 0 {
		b = append(b, 'n')
	}
	return b
}

func (t *builtinTitles) pick(list []string) string {
	return list[t.source.below(uint64(len(list)))]
}

// builtinForms holds what titles look like and how often: %a stands for an
// adjective, %n a noun, %s a plural, %p a place, %f a first name, %l a last
// name, %v what is done, %d what was done, %c a number. Articles stand at the
// end, as in MovieLens.
var builtinForms = []struct {
	weight int
	form   string
}{
	{170, "%a %n, The"},
	{90, "%a %n"},
	{70, "%a %s"},
	{45, "%a %n, A"},
	{25, "%a %s, The"},
	{60, "%n of %p, The"},
	{50, "%n of %s, The"},
	{25, "%n in %p, A"},
	{20, "%s of %p"},
	{20, "%s of %p, The"},
	{20, "Last %n in %p, The"},
	{15, "%a Side of %p, The"},
	{45, "%f %l"},
	{25, "%f and %f"},
	{25, "%f and the %n"},
	{30, "%l's %n"},
	{25, "%f's %n"},
	{15, "Life of %f %l, The"},
	{15, "%l Affair, The"},
	{10, "%l vs. %l"},
	{25, "%v %f"},
	{25, "%v the %n"},
	{15, "%v %p"},
	{25, "%s and %s"},
	{20, "%s of the %n"},
	{15, "%n, the %n and the %n, The"},
	{20, "%n and the %n, The"},
	{15, "When the %n Was %a"},
	{15, "Who %d the %n?"},
	{10, "They %d My %n!"},
	{20, "%c %s"},
	{15, "%c Days in %p"},
	{10, "%c %s for %f"},
	{20, "Return to %p"},
	{15, "Letters from %p"},
	{15, "Once in %p"},
	{10, "Goodbye, %p"},
	{10, "Dear %f, Dear %f"},
	{10, "%f, %f & %f"},
	{15, "%p"},
	{10, "%p: The %n Story"},
	{10, "%a %n 2"},
	{10, "%a %n II: %l's Return"},
	{10, "%a %n: The %n"},
	{6, "%a %n, The (a.k.a. %s of %p)"},
	{8, "%f \"%a\" %l"},
	{6, "\"%a %n\": The %l Tapes"},
	{5, "%l's \"%n\""},
	{5, "Château %l, Le"},
	{5, "Été à %p, Un"},
	{5, "Señora %l, La"},
	{5, "Niños de %p, Los"},
	{5, "Mädchen aus %p, Das"},
	{5, "Brücke nach %p, Die"},
	{5, "Città di %f, La"},
	{5, "Coração de %f, O"},
	{5, "Sång för %f, En"},
}

// builtinWords holds the words that a letter of a form stands for. A "~" is a
// space within a word.
var builtinWords = [...]struct {
	letter byte
	list   string
}{
	{'a', `Amber Ashen Autumn Backward Barefoot Barren Bitter Borrowed Bramble Brazen Brittle Burning Buried Candid
Careless Cedar Clever Cobalt Coastal Copper Coral Counterfeit Crooked Curious Dancing Distant Dizzy Dreaming
Drowned Dusty Eager Earnest Ebony Electric Elegant Empty Endless Errant Faded Faithful False Fearless
Feathered Fickle Final Flooded Floating Folded Foolish Forgotten Fragile Frozen Gallant Gentle Gilded Granite
Hasty Hidden Hollow Homeless Humble Hungry Idle Impatient Indigo Inland Invisible Iron Ivory Jagged Jealous
Jolly Lazy Leaning Little Lopsided Lunar Marble Merry Midnight Misty Modest Moonlit Muted Nameless Narrow
Nervous Northern Obedient Odd Open Orphan Outer Painted Pale Paper Patient Perilous Phantom Polite Proud Quiet
Ragged Rainy Reckless Reluctant Restless Roaming Rusted Sacred Salted Scarlet Severed Shattered Shallow Silent
Silver Sleepless Sleepy Slippery Smoky Solemn Southern Spare Spotless Stormy Stranded Stubborn Sudden Sunken
Tangled Tattered Tender Thirsty Thorny Thunder Timid Topaz Twisted Unwritten Vacant Vagrant Vanished Velvet
Violet Wandering Warm Wayward Weary Western Whispering Wicked Willow Winter Wistful Wooden Yellow Yonder
Zealous`},

	{'n', `Accordion Acrobat Almanac Anchor Apprentice Aqueduct Archer Architect Archive Atlas Attic Baker Balcony Ballad
Barge Barometer Beacon Beekeeper Bell Blacksmith Boatman Bookbinder Botanist Boulevard Bridge Butcher Cabin
Caller Canal Candle Captain Caravan Carousel Cartographer Cathedral Causeway Cellar Chandelier Chaperone
Chapel Chauffeur Choir Clock Clockmaker Coachman Coast Colonel Comet Compass Conductor Corridor Courier Cousin
Cradle Crossing Curtain Dancer Daughter Debt Delta Detour Diplomat Diver Doctor Dollhouse Dowry Drummer
Duchess Echo Eclipse Embassy Ember Engineer Envelope Envoy Errand Estate Evening Falconer Farewell Ferry
Ferryman Fiddler Fisherman Fjord Florist Forest Forger Fortress Foundry Fountain Frontier Gallery Gambler
Garden Gardener Garrison Gatekeeper Geologist Glacier Glade Governess Granary Greenhouse Guesthouse Guitar
Harbor Harvest Heiress Hermit Holiday Horizon Hotel Hourglass Hunter Hurricane Idol Inheritance Inn Inspector
Island Janitor Jeweler Journey Jury Keeper Kettle Kingdom Kitchen Laborer Ladder Lagoon Landlady Lantern
Ledger Librarian Lighthouse Locksmith Locomotive Lodger Lullaby Machine Magistrate Mandolin Mansion Marionette
Market Mason Masquerade Meadow Medallion Melody Merchant Midwife Mill Miller Mirage Miner Mirror Monastery
Monsoon Mountain Museum Musician Navigator Neighbor Nephew Notebook Nurse Oath Observatory Ocean Opera Oracle
Orchard Organist Outpost Painter Palace Parade Parlor Passenger Patrol Pavilion Peddler Pendulum Photographer
Pianist Pier Pilgrim Pilot Plaza Plow Poet Portrait Postman Potter Prairie Preacher Printer Prisoner Promise
Puppeteer Quarry Quartet Quilt Railway Ranch Reef Refuge Regiment Reunion Riddle River Rooftop Rumor Saddle
Sailor Satellite Schoolteacher Scholar Sculptor Season Senator Shepherd Shoemaker Sleigh Smuggler Solstice
Spiral Spinster Staircase Station Steamer Stranger Streetcar Student Suitcase Summer Sundial Surgeon Swimmer
Tailor Tapestry Tavern Telegram Tenant Theater Theorem Throne Tide Timber Toymaker Train Trapeze Traveler
Treaty Trumpet Tunnel Typewriter Umbrella Uncle Valley Vault Ventriloquist Veranda Verdict Viaduct Village
Vineyard Violin Voyage Waiter Waltz Warden Watchmaker Waterfall Weaver Wedding Whistle Widow Wilderness
Windmill Window Witness Workshop`},

	{'s', `Acorns Alibis Angels Antlers Apples Arrows Ashes Bandits Barons Bells Birches Blossoms Bonfires Boots Brides
Brothers Buttons Candles Cards Cedars Chains Chimneys Cinders Clouds Coins Cousins Cowards Cranes Crickets
Crows Curtains Daughters Days Diamonds Dolphins Doors Dragonflies Drifters Drums Echoes Embers Enemies Falcons
Feathers Ferns Fevers Fields Fireflies Flames Footprints Fortunes Foxes Gardens Ghosts Giants Gloves Hammers
Harbors Hearts Herons Horses Hours Hounds Islands Jackals Kites Knives Ladders Lanterns Larks Leaves Ledgers
Letters Lilacs Lilies Lovers Manners Maps Mermaids Miracles Mirrors Moths Mountains Mothers Neighbors Nettles
Nights Oars Orchids Orphans Outlaws Owls Pearls Pebbles Phantoms Pigeons Pilgrims Pines Pirates Plums Promises
Questions Rascals Ravens Ribbons Riders Rivals Rivers Roads Robins Roses Rumors Sails Sandcastles Scars
Secrets Shadows Shepherds Sinners Sisters Smugglers Snowflakes Soldiers Songs Sparrows Spies Stars Starlings
Stones Storms Strangers Summers Swallows Swans Swords Thieves Thistles Thorns Tides Tigers Towers Trains
Travelers Tulips Umbrellas Vagabonds Violets Voices Vultures Waves Whispers Widows Willows Windows Winters
Wolves Wonders Words Years`},

	{'p', `Abelmere Alderholt Amsel Anvers Aramoor Ardenza Ashcombe Aurelia Balmoor Barrowfen Bellavance Belmira
Blackmarsh Boravia Brambleton Brannoch Calderoche Caldwater Caravelle Carrowmere Castelmar Cedarvale Ceylara
Cinderford Clearbrook Coldharbor Coralina Corvino Crowhaven Dalmora Dapplewood Delmont Drumlin Dunmarrow
Eastmere Elderport Elmira Emberley Esperanza Fairlough Falkenried Farrowdale Fenwick Ferncliff Fontarosa
Foxhollow Frosthaven Galdenne Gallowmere Glenarrow Glimmerton Gorsey Granvelle Greyhollow Halvorsund
Harrowgate Havenport Hawksmoor Hazelbrook Hollowell Isla~Perdida Ivorstadt Jasper~Creek Juniper~Falls
Kaltenbrunn Kestrelton Kirkenfjord Korvala Lakeshore Lanternfell Larkspur Lindenau Lochmarrow Lowmoor
Luz~del~Mar Lunaria Maplewood Marabella Marrow~Lake Mereside Millhaven Mirabel Monteclaro Montrouge
Moonstone~Bay Mossgrave Narrowgate Nettlebury Nordhaven Northmarch Nueva~Córdova Oakhollow Ochre~City
Oldbridge Orlenka Otterburn Palisade Pembrook Pinecrest Port~Almeria Porto~Vento Quillon Quarry~Bend
Ravenshore Redfern Rivermouth Rookhaven Rosalind Rosenthal Saint~Aurel Saltmarsh Samarra San~Telmo
Santa~Ondina São~Adriano Seabright Selkirk~Point Shadewell Silverlake Sommerfeld Southmere Starling~Heights
Stonebrook Strandby Swanmere Tarnwood Terravale Thistledown Thornbury Tidewater Torrevieja Trevanion
Tulsa~Springs Umberto Upper~Salem Valdoria Valmont Varnholm Verdania Villanova Vintersund Wakefern
Waterloo~Bend Wexmoor Whitecliff Wildrose Willowmere Windham Winterbourne Wolfsgrund Wrenfield Yarrow
Yellowpine Zaratova Zellerau`},

	{'f', `Abel Ada Adela Agnes Albin Alma Alva Amadou Amparo Anselm Antje Arlo Astrid Augusta Aurelio Basil Beatrix
Benedikt Bertil Bianca Birgit Bruno Calla Camille Casimir Cecily Celeste Chiyo Clara Clement Constance
Cornelius Cosima Cyrus Dagmar Damaris Delphine Desmond Dinah Dmitri Dorothea Edda Edgar Effie Eino Elias
Eloise Elspeth Emeric Emil Enid Ernestine Esme Estrella Eudora Ezra Fabian Faye Felix Fergus Fidelia Fiona
Florian Freya Gaspard Gemma Genevieve Gideon Giulia Greta Gustav Hattie Hector Hedda Henrik Hester Hilda Hugo
Ida Ignacio Ilse Imogen Ingrid Irma Isidora Ivo Jarvis Jonas Josefina Juno Kaito Kasper Katya Kenji Klara Lars
Lavinia Leander Leocadia Leopold Lila Linnea Lorenzo Lottie Lucinda Ludmila Lydia Mabel Magnus Maja Malachi
Manuela Marguerite Marius Mathilde Maude Mei Milo Minerva Mireille Miriam Nadia Nell Nestor Niko Nina Noor
Octavia Odette Odile Olive Olof Oona Opal Orson Oskar Ottilie Otto Pascal Patience Pavel Penelope Percival
Petra Philippa Pilar Priya Quentin Rafaela Ramona Ravi Renata Renée Rhoda Rosalba Rufus Rupert Ruth Salome
Samira Saskia Sebald Selma Serafina Sigrid Silas Simone Solveig Sofía Stellan Sunniva Suzette Sylvie Tabitha
Tadeusz Tamsin Tess Thaddeus Theo Thora Tobias Trudy Ulla Ulrich Ursula Valentin Vera Verity Vida Viggo Viola
Walburga Wanda Wendell Wilhelmina Willa Winifred Xavier Yara Yasmin Yusuf Yvette Zelda Zoë Zoltan`},

	{'l', `Abernathy Achterberg Adeyemi Alcott-Reyes Almgren Amundsen Anzengruber Ardizzone Arkwright Ashdown Bagley
Balthazar Bancroft Barclay Belacqua Bellweather Bergström Birdwhistle Blackwood Blomqvist Bonaventura
Brackenbury Brandvold Brightwater Broussard Calloway Castellan Cavendish Chalmers Claremont Cogswell Corrigan
Crabtree Crane Culpepper Dalgaard Danvers Darnell Delacroix Demetriou Devereux Dimitrov Dobrowski Drummond
Dunleavy Eberhart Eckersley Ellingsworth Engström Esposito Everhart Fairweather Farthing Fenstermaker Ferrante
Fitzwarren Fjelstad Fogarty Fontaine Forsythe Fothergill Gagliardi Galbraith Garrick Gillespie Goldfinch
Granger Greenhalgh Grimaldi Gunnarsson Hadley Halloran Hanrahan Harcourt Hathersage Hawthorne-Vale
Heatherington Hemingford Hollander Holloway Honeycutt Horvath Huxtable Ibarra Ingersoll Ishikawa Iversen
Jankowski Jessop Jørgensen Kaminski Kavanagh Kessler Kilbride Kingsolver Kowalczyk Krasner Lachance Langford
Larrabee Laskaris Leclair Lindqvist Lockwood Lombardi Lundgren Madrigal Malinowski Marchetti Mayweather
McGillivray Mendoza Merriweather Moravec Mortensen Müller-Katz Mulvaney Nakagawa Nightingale Nordstrom Novotny
Núñez Oakley Obermeyer Okafor Okonkwo Olafsdottir Orlov Ostrander Pallister Papadakis Pargeter Pemberton
Penhaligon Peverell Pickering Pomeroy Prendergast Quigley Quintero Rademacher Radcliffe Rasmussen Ravenscroft
Redgrave Renard Rosenkrantz Rothwell Ruiz-Delgado Sandoval Santangelo Schoonmaker Sedgwick Sheffield Silvestri
Sinclair Sjöberg Skarsholt Sokolova Somerset Stanhope Stavros Sterling Stokowski Strindholm Summerhayes
Szymanski Takahara Tarkington Tennyson-Cole Thackeray Thibodeaux Thornquist Tolliver Tremaine Trevelyan
Underhill Valentine Vandermeer Varga Vasquez Velasco Villeneuve Von~Arnsberg Wainwright Wakeley Weatherby
Wendelstein Westergaard Whitlow Wickersham Windermere Wolstenholme Worthington Yamashiro Yarborough Zabriskie
Zapata Zielinski`},

	{'v', `Abandoning Accusing Bewitching Burying Calling Chasing Courting Crossing Defending Deceiving Finding Following
Forgetting Forgiving Guarding Hunting Imagining Inventing Leaving Losing Missing Outrunning Painting Raising
Remembering Rescuing Saving Seeing Selling Stealing Surviving Teaching Trusting Unmasking Visiting Waking`},

	{'d', `Abducted Befriended Betrayed Broke Buried Burned Chased Courted Followed Fooled Forgot Framed Freed Haunted
Hid Hired Invented Kidnapped Married Moved Outfoxed Painted Photographed Poisoned Pushed Robbed Sank Stole
Swindled Trusted Wrote`},

	{'c', `Two Three Four Five Six Seven Eight Nine Ten Eleven Twelve Thirteen Sixteen Twenty Thirty Forty Fifty Ninety
17 48 99 101 1001`},
}
