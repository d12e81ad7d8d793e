package shape_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/shape"
)

var (
	begin = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
	rules = shape.Rules{Records: 50, For: time.Hour, Absent: 40}
)

// teach gives a shape n records, a minute apart.
func teach(t *testing.T, s *shape.Shape, n int, body string) {
	t.Helper()
	for range n {
		key := fmt.Sprint(s.Records + 1)
		r := shape.Record{Body: []byte(body), Key: key, Time: begin.Add(time.Duration(s.Records) * time.Minute), Personal: []string{"buyer.phone"}}
		if err := s.Learn(r, rules); err != nil {
			t.Fatal(err)
		}
	}
}

// changes are what has changed, one line each.
func changes(s *shape.Shape) string {
	var lines []string
	for _, c := range s.Changes {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s>%s %s", c.Kind, c.Path, c.From, c.To, c.Sample)))
	}
	return strings.Join(lines, "\n")
}

const usual = `{"id":1,"qty":2.50,"note":null,"items":[],"tags":["a"],"buyer":{"phone":"138","town":"上海"},"lines":[{"sku":"A","qty":1},{"sku":"B","qty":2}]}`

func TestLearning(t *testing.T) {
	s := shape.New("s")
	teach(t, s, 30, usual)
	teach(t, s, 1, `{"id":"text","new":1}`)
	if s.Learned || len(s.Changes) > 0 {
		t.Errorf("learned %v after 31 records, changes:\n%s", s.Learned, changes(s))
	}
	teach(t, s, 40, usual)
	if !s.Learned || len(s.Changes) > 0 {
		t.Errorf("learned %v after 71 records and 70 minutes, changes:\n%s", s.Learned, changes(s))
	}
	want := "buyer buyer.phone buyer.town id items lines lines[] lines[].qty lines[].sku new note qty tags tags[]"
	if got := strings.Join(s.Paths(), " "); got != want {
		t.Errorf("paths %s, want %s", got, want)
	}
	if f := s.Fields["lines[].qty"]; f.Seen != 140 || f.Kinds[shape.Number] != 140 || s.Share("lines[].qty") != 1 {
		t.Errorf("lines[].qty is %+v, share %v", f, s.Share("lines[].qty"))
	}
	if share := s.Share("buyer.town"); share != 1 {
		t.Errorf("buyer.town is in %v of the buyers", share)
	}
	if share := s.Share("qty"); share < 0.98 || share > 0.99 {
		t.Errorf("qty is in %v of the records, want 70 of 71", share)
	}
}

func TestFewRecordsAreLearnedInADay(t *testing.T) {
	s := shape.New("s")
	for day := range 3 {
		if err := s.Learn(shape.Record{Body: []byte(fmt.Sprintf(`{"f%d":1}`, day)), Time: begin.AddDate(0, 0, day)}, rules); err != nil {
			t.Fatal(err)
		}
	}
	if got := changes(s); !s.Learned || got != "field appeared f1 >number 9\nfield appeared f2 >number 9" {
		t.Errorf("learned %v, changes:\n%s", s.Learned, got)
	}
}

// TestChanges changes a known shape in each way, and each change twice.
func TestChanges(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"nothing", usual, ""},
		{"a field", strings.Replace(usual, `"id":1`, `"id":1,"mobile":"13800001111 张三 x"`, 1), `field appeared mobile >text "99999999999 文文 a"`},
		{"an object", strings.Replace(usual, `"id":1`, `"id":1,"o":{"a":{"b":1}}`, 1), "field appeared o >object an object of 1 fields"},
		{"a field of a line", strings.Replace(usual, `{"sku":"B"`, `{"sku":"B","batch":-1.50`, 1), "field appeared lines[].batch >number -9.99"},
		{"a type", strings.Replace(usual, `"id":1`, `"id":"1"`, 1), `type changed id number>text "9"`},
		{"a decimal is no other type", strings.Replace(usual, `"qty":2.50`, `"qty":2`, 1), ""},
		{"null is no other type", strings.Replace(usual, `"id":1`, `"id":null`, 1), ""},
		{"a list for an object", strings.Replace(usual, `"buyer":{"phone":"138","town":"上海"}`, `"buyer":[{"x":1}]`, 1), "type changed buyer object>list a list of 1"},
		{"what was null", strings.Replace(usual, `"note":null`, `"note":{"a":1}`, 1), ""},
		{"what was empty", strings.Replace(usual, `"items":[]`, `"items":[{"a":1},{"b":1}]`, 1), ""},
		{"personal data", strings.Replace(usual, `"phone":"138"`, `"phone":138`, 1), "type changed buyer.phone text>number ***"},
		{"a strange name", strings.Replace(usual, `"id":1`, `"id":1,"a.b":{"c":true}`, 1), `field appeared ["a.b"] >object an object of 1 fields`},
	} {
		s := shape.New("s")
		teach(t, s, 100, usual)
		teach(t, s, 2, tt.body)
		if got := changes(s); got != tt.want {
			t.Errorf("%s: %s\nwant %s", tt.name, got, tt.want)
		}
		for _, c := range s.Changes {
			if c.Key != "101" || !c.Time.Equal(begin.Add(100*time.Minute)) {
				t.Errorf("%s: seen at %s in %s", tt.name, c.Time, c.Key)
			}
		}
	}
}

func TestGoneAndBack(t *testing.T) {
	s := shape.New("s")
	teach(t, s, 100, usual)
	without := strings.Replace(usual, `"qty":2.50,`, "", 1)
	teach(t, s, 30, without)
	if len(s.Changes) > 0 {
		t.Fatalf("30 records without it: %s", changes(s))
	}
	teach(t, s, 100, without)
	if got := changes(s); got != "field gone qty number>" {
		t.Fatalf("130 records without it: %s", got)
	}
	teach(t, s, 100, usual)
	if got := changes(s); got != "field gone qty number>\nfield back qty >number" {
		t.Fatalf("it is back: %s", got)
	}
	teach(t, s, 100, strings.Replace(usual, `"sku":"A",`, "", 1)) // half of the lines still have it
	teach(t, s, 100, strings.Replace(usual, `"town":"上海"`, `"city":"上海"`, 1))
	if got := changes(s); !strings.HasSuffix(got, "field back qty >number\nfield appeared buyer.city >text \"文文\"\nfield gone buyer.town text>") {
		t.Errorf("another field: %s", got)
	}
	s.Accept()
	if len(s.Changes) > 0 || s.Fields["buyer.town"] != nil || s.Fields["buyer.city"] == nil {
		t.Errorf("accepted: %s, %v", changes(s), s.Paths())
	}
	teach(t, s, 1, usual)
	if got := changes(s); got != `field appeared buyer.town >text "文文"` {
		t.Errorf("after it was accepted: %s", got)
	}
}

// TestARareFieldIsNotMissed has a field that only some records have.
func TestARareFieldIsNotMissed(t *testing.T) {
	s := shape.New("s")
	for range 20 {
		teach(t, s, 9, `{"id":1}`)
		teach(t, s, 1, `{"id":1,"rare":1}`)
	}
	teach(t, s, 100, `{"id":1}`)
	if len(s.Changes) > 0 {
		t.Error(changes(s))
	}
}

// TestBounds has objects whose names are data, and records that want to be too much.
func TestBounds(t *testing.T) {
	s := shape.New("s")
	teach(t, s, 70, `{"prices":{"a":{"x":1}},"byid":{}}`)
	for i := range 500 {
		teach(t, s, 1, fmt.Sprintf(`{"prices":{"sku%d":{"x":1,"y":2}},"byid":{"%d":1,"%d":2},"deep":%s}`, i, i, i*7, strings.Repeat(`{"a":`, 300)+"1"+strings.Repeat("}", 300)))
	}
	for path := range s.Fields {
		if strings.HasPrefix(path, "prices.sku") {
			t.Fatalf("path %s is kept: %d of them", path, len(s.Fields))
		}
	}
	if s.Fields["prices.*"] == nil || s.Fields["prices.*.y"] == nil || s.Fields["byid.*"] == nil || s.Fields["prices.*"].Seen != 570 {
		t.Errorf("paths are %v", s.Paths())
	}
	for i := range 300 {
		var fields []string
		for j := range 200 {
			fields = append(fields, fmt.Sprintf(`"%s%d":%d`, strings.Repeat("长", 50), i*200+j, j))
		}
		teach(t, s, 1, "{"+strings.Join(fields, ",")+"}")
	}
	body, err := json.Marshal(s)
	if err != nil || len(s.Fields) > 1000 || len(body) > 700_000 {
		t.Errorf("%d fields in %d bytes, %v", len(s.Fields), len(body), err)
	}
	if s.Fields["prices.*"] == nil {
		t.Error("what was known is forgotten")
	}
}

func TestWhatIsNoObject(t *testing.T) {
	for _, body := range []string{"", "null", "[1]", `"a"`, "{", `{"秘密":`} {
		s := shape.New("s")
		if err := s.Learn(shape.Record{Body: []byte(body), Key: "k"}, rules); err == nil || s.Records != 0 || strings.Contains(err.Error(), "秘密") {
			t.Errorf("%s: %v, %d records", body, err, s.Records)
		}
	}
}

func BenchmarkLearn(b *testing.B) {
	s := shape.New("s")
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Learn(shape.Record{Body: []byte(usual), Key: "k", Time: begin}, rules); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzLearn(f *testing.F) {
	for _, seed := range []string{usual, `{"a":{"1":[[[]]]},"":{"":null}}`, `{"[]":[{"a.b":1}],"*":{"*":2}}`} {
		f.Add([]byte(seed), []byte(usual))
	}
	f.Fuzz(func(_ *testing.T, first, second []byte) {
		s := shape.New("s")
		for i := range 200 {
			body := first
			if i > 100 {
				body = second
			}
			_ = s.Learn(shape.Record{Body: body, Time: begin.Add(time.Duration(i) * time.Hour)}, rules)
		}
		for _, path := range s.Paths() {
			if share := s.Share(path); share < 0 || share > 1 {
				panic(path)
			}
		}
	})
}
