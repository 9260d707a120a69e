package gen

import "math/rand/v2"

// word is a word as it is shown, and as it is in an address.
type word struct{ shown, plain string }

// culture is names that go together.
type culture struct{ first, last []word }

// cultures are all of them. Russian last names come in two forms, so that there are two cultures for one people.
func cultures() []culture {
	return []culture{
		{
			first: []word{
				{"Анна", "anna"}, {"Мария", "maria"}, {"Елена", "elena"}, {"Ольга", "olga"}, {"Наталья", "natalya"}, {"Ирина", "irina"},
				{"Светлана", "svetlana"}, {"Дарья", "darya"}, {"Юлия", "yulia"}, {"Екатерина", "ekaterina"}, {"Софья", "sofya"}, {"Вера", "vera"},
				{"Надежда", "nadezhda"}, {"Ксения", "ksenia"}, {"Алина", "alina"}, {"Полина", "polina"}, {"Татьяна", "tatyana"}, {"Зоя", "zoya"},
			},
			last: []word{
				{"Смирнова", "smirnova"}, {"Иванова", "ivanova"}, {"Кузнецова", "kuznetsova"}, {"Соколова", "sokolova"}, {"Попова", "popova"},
				{"Лебедева", "lebedeva"}, {"Козлова", "kozlova"}, {"Новикова", "novikova"}, {"Морозова", "morozova"}, {"Петрова", "petrova"},
				{"Волкова", "volkova"}, {"Соловьёва", "solovyova"}, {"Зайцева", "zaitseva"}, {"Павлова", "pavlova"}, {"Семёнова", "semyonova"},
				{"Голубева", "golubeva"}, {"Виноградова", "vinogradova"}, {"Белова", "belova"}, {"Шевченко", "shevchenko"}, {"Ким", "kim"},
			},
		},
		{
			first: []word{
				{"Александр", "alexander"}, {"Дмитрий", "dmitry"}, {"Максим", "maxim"}, {"Сергей", "sergey"}, {"Андрей", "andrey"}, {"Алексей", "alexey"},
				{"Артём", "artyom"}, {"Илья", "ilya"}, {"Кирилл", "kirill"}, {"Михаил", "mikhail"}, {"Никита", "nikita"}, {"Борис", "boris"},
				{"Роман", "roman"}, {"Егор", "egor"}, {"Фёдор", "fyodor"}, {"Пётр", "pyotr"}, {"Лев", "lev"}, {"Тимур", "timur"},
			},
			last: []word{
				{"Смирнов", "smirnov"}, {"Иванов", "ivanov"}, {"Кузнецов", "kuznetsov"}, {"Соколов", "sokolov"}, {"Попов", "popov"},
				{"Лебедев", "lebedev"}, {"Козлов", "kozlov"}, {"Новиков", "novikov"}, {"Морозов", "morozov"}, {"Петров", "petrov"},
				{"Волков", "volkov"}, {"Соловьёв", "solovyov"}, {"Зайцев", "zaitsev"}, {"Павлов", "pavlov"}, {"Семёнов", "semyonov"},
				{"Голубев", "golubev"}, {"Виноградов", "vinogradov"}, {"Белов", "belov"}, {"Шевченко", "shevchenko"}, {"Ким", "kim"},
			},
		},
		{
			first: []word{
				{"Emma", "emma"}, {"Olivia", "olivia"}, {"Noah", "noah"}, {"Liam", "liam"}, {"Sophie", "sophie"}, {"Lucas", "lucas"}, {"Ada", "ada"},
				{"Grace", "grace"}, {"Felix", "felix"}, {"Clara", "clara"}, {"Hugo", "hugo"}, {"Zoë", "zoe"}, {"René", "rene"}, {"José", "jose"},
				{"Inés", "ines"}, {"Jürgen", "juergen"}, {"Marta", "marta"}, {"Oskar", "oskar"}, {"Amélie", "amelie"}, {"Tom", "tom"}, {"Yuki", "yuki"},
			},
			last: []word{
				{"Smith", "smith"}, {"Johnson", "johnson"}, {"Müller", "mueller"}, {"Schmidt", "schmidt"}, {"García", "garcia"}, {"Martínez", "martinez"},
				{"Dubois", "dubois"}, {"Lefèvre", "lefevre"}, {"Rossi", "rossi"}, {"Ferrari", "ferrari"}, {"Kowalska", "kowalska"}, {"Nowak", "nowak"},
				{"Jansen", "jansen"}, {"Nilsson", "nilsson"}, {"Sørensen", "soerensen"}, {"O'Brien", "obrien"}, {"Silva", "silva"}, {"Tanaka", "tanaka"},
				{"Brown", "brown"}, {"Taylor", "taylor"}, {"Kovács", "kovacs"}, {"Popescu", "popescu"}, {"Virtanen", "virtanen"},
			},
		},
	}
}

// circles are what communities are called, in two languages.
func circles() [][2][]word {
	return [][2][]word{
		{
			{
				{"Ночные", "nochnye"}, {"Северные", "severnye"}, {"Вольные", "volnye"}, {"Тихие", "tikhie"}, {"Городские", "gorodskie"},
				{"Юные", "yunye"}, {"Дальние", "dalnie"}, {"Осенние", "osennie"}, {"Весёлые", "vesyolye"}, {"Бумажные", "bumazhnye"},
			},
			{
				{"совы", "sovy"}, {"читатели", "chitateli"}, {"художники", "khudozhniki"}, {"садоводы", "sadovody"}, {"странники", "stranniki"},
				{"мастерские", "masterskie"}, {"хроники", "khroniki"}, {"повара", "povara"}, {"музыканты", "muzykanty"}, {"архивы", "arkhivy"},
			},
		},
		{
			{
				{"Northern", "northern"}, {"Quiet", "quiet"}, {"Open", "open"}, {"Urban", "urban"}, {"Slow", "slow"}, {"Curious", "curious"},
				{"Midnight", "midnight"}, {"Practical", "practical"}, {"Riverside", "riverside"}, {"Independent", "independent"},
			},
			{
				{"Readers", "readers"}, {"Gardeners", "gardeners"}, {"Makers", "makers"}, {"Letters", "letters"}, {"Cyclists", "cyclists"},
				{"Archive", "archive"}, {"Kitchen", "kitchen"}, {"Observatory", "observatory"}, {"Workshop", "workshop"}, {"Chronicle", "chronicle"},
			},
		},
	}
}

// pick is any of them.
func pick[T any](dice *rand.Rand, all []T) T { return all[dice.IntN(len(all))] }

// often is any of them, the first ones more often than the last ones, as it is with names.
func often[T any](dice *rand.Rand, all []T) T {
	part := dice.Float64()
	return all[int(part*part*float64(len(all)))]
}
