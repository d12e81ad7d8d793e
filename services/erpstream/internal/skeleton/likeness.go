package skeleton

import (
	"slices"
	"strings"
	"unicode"

	"github.com/erpstream/erpstream/services/erpstream/internal/describe"
)

// How like two names are: from threshold on it is a guess.
const (
	same      = 100
	alike     = 90
	contained = 60
	threshold = 65
)

// words that mean the same, as the systems write them.
var synonyms = map[string]string{
	"number": "no", "code": "no", "bh": "no",
	"quantity": "qty", "num": "qty", "count": "qty", "sl": "qty",
	"time": "date", "at": "date", "rq": "date",
	"note": "remark", "memo": "remark", "comment": "remark", "describe": "remark", "bz": "remark",
	"total": "amount", "sum": "amount", "je": "amount",
	"material": "goods", "product": "goods", "item": "goods",
	"stock": "warehouse", "store": "warehouse", "wh": "warehouse", "ck": "warehouse",
	"provider": "supplier", "vendor": "supplier", "gys": "supplier",
	"buyer": "customer", "cust": "customer", "kh": "customer",
	"mc": "name", "dj": "price", "dw": "unit",
}

// likeness compares the name of a target field, and the one it has at the target, with that of a field of
// the record.
func likeness(f describe.Field, name string) int {
	at, _, _ := strings.Cut(f.Target, " ")
	score := compare(f.Name, name)
	if at != "" {
		score = max(score, compare(at, name))
	}
	return score
}

func compare(a, b string) int {
	if strings.EqualFold(a, b) {
		return same
	}
	x, y := tokens(a), tokens(b)
	if len(x) == 0 || len(y) == 0 {
		return 0
	}
	both := 0
	for _, token := range x {
		if slices.Contains(y, token) {
			both++
		}
	}
	all := len(x) + len(y) - both
	switch {
	case both == all:
		return alike
	case both == 0 || onlyWeak(x, y):
		return 0
	case both == min(len(x), len(y)):
		return contained + 25*both/all
	default:
		return contained * both / all
	}
}

// onlyWeak reports whether two names share no more than a word that every other name has.
func onlyWeak(x, y []string) bool {
	for _, token := range x {
		if slices.Contains(y, token) && token != "id" && token != "no" && token != "name" && token != "date" {
			return false
		}
	}
	return true
}

// tokens cuts a name into its words: at underscores, before capital letters, without the F that Kingdee
// puts before its names.
func tokens(name string) []string {
	if rest, ok := strings.CutPrefix(name, "F"); ok && rest != "" && unicode.IsUpper(rune(rest[0])) {
		name = rest
	}
	var words []string
	begin := 0
	runes := []rune(name)
	cut := func(end int) {
		if end > begin {
			word := strings.ToLower(string(runes[begin:end]))
			if other, ok := synonyms[word]; ok {
				word = other
			}
			if !slices.Contains(words, word) {
				words = append(words, word)
			}
		}
	}
	for i, c := range runes {
		switch {
		case c == '_' || c == '-':
			cut(i)
			begin = i + 1
		case unicode.IsUpper(c) && i > begin && !unicode.IsUpper(runes[i-1]):
			cut(i)
			begin = i
		}
	}
	cut(len(runes))
	return words
}
