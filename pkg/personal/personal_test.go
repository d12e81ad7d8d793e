package personal_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/personal"
	"github.com/erpstream/erpstream/proto/contract"
	kingdeev1 "github.com/erpstream/erpstream/proto/gen/erpstream/kingdee/v1"
	referencev1 "github.com/erpstream/erpstream/proto/gen/erpstream/reference/v1"
)

func TestRecord(t *testing.T) {
	body := `{"refund_no":"R1","total":12.50,"id":90071992547409931,"buyer_nick":"王小明","receiver_name":"","amount_detail_list":[{"pay_account":"a@b.cn","amount":1.0},{"pay_account":null}],` +
		`"swap_order":{"swap_receiver_mobile":13800001111,"swap_no":"<S&1>"}}`
	want := `{"refund_no":"R1","total":12.50,"id":90071992547409931,"buyer_nick":"***","receiver_name":"","amount_detail_list":[{"pay_account":"***","amount":1.0},{"pay_account":null}],` +
		`"swap_order":{"swap_receiver_mobile":"***","swap_no":"<S&1>"}}`
	for _, kind := range []string{"wangdiantong.flagship-refund", "wangdiantong.flagship-refund.removed", "wangdiantong.flagship-refund.unreadable"} {
		got, err := personal.Record(kind, []byte(body))
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %v\nwant %s", kind, got, err, want)
		}
	}
}

func TestRecordOfAFeedThatNobodyKnows(t *testing.T) {
	got, err := personal.Record("other.feed", []byte(`{"a":"x","b":[1,{"c":true,"d":null}],"e":" "}`))
	if want := `{"a":"***","b":["***",{"c":"***","d":null}],"e":" "}`; err != nil || string(got) != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}

func TestMaskedIsNotTheData(t *testing.T) {
	paths := personal.RecordPaths("wangdiantong.flagship-refund")
	for body, want := range map[string]bool{
		`{"buyer_nick":"***"}`: true, `{"amount_detail_list":[{"pay_account":""},{"pay_account":"***"}]}`: true,
		`{"buyer_nick":"王"}`: false, `{"remark":"***"}`: false, `{"buyer_nick":"***"`: false,
	} {
		if got := personal.Masked([]byte(body), paths); got != want {
			t.Errorf("%s: masked = %v", body, got)
		}
	}
}

func TestMessage(t *testing.T) {
	got, err := personal.Message("jushuitan.shops", &kingdeev1.Customer{
		Number: proto.String("C1"), Addr: proto.String("人民路 1 号"), BankAccount: proto.String(""),
		ContactPersons: []*kingdeev1.ContactPerson{{ContactPerson: proto.String("王小明"), Mobile: proto.String("13800001111")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(got), " ", "")
	for _, want := range []string{`"number":"C1"`, `"addr":"***"`, `"bank_account":""`, `"contact_person":"***"`, `"mobile":"***"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s, want %s in it", got, want)
		}
	}
	if strings.Contains(text, "王") || strings.Contains(text, "138") || strings.Contains(text, "人民路") {
		t.Errorf("%s shows personal data", got)
	}
}

func TestEntryOfPeople(t *testing.T) {
	entry := &referencev1.Entry{Collection: proto.String("kis.employee"), Id: proto.String("7"), Fields: map[string]string{"called": "王小明"}}
	for kind, shown := range map[string]bool{"kis.employee": false, "other.feed": false, "kingdee.material": true} {
		got, err := personal.Message(kind, entry)
		if err != nil || strings.Contains(string(got), "王小明") != shown || !strings.Contains(string(got), "kis.employee") {
			t.Errorf("%s: %s, %v; shown should be %v", kind, got, err, shown)
		}
	}
}

func TestPathsOfAllContracts(t *testing.T) {
	marked := 0
	for _, name := range contract.Names() {
		mt, err := contract.Message(name)
		if err != nil {
			t.Fatal(err)
		}
		marked += len(personal.Paths(mt.Descriptor()))
	}
	if marked < 13 {
		t.Errorf("%d fields are marked as personal, want all 13 and more", marked)
	}
}

func TestWhatIsNotJSONTellsNothing(t *testing.T) {
	for _, body := range []string{`{"buyer_nick":"王小明"`, `王小明`, `{"a":1} 王小明`, `{"a":"王小明",}`, `]`, strings.Repeat("[", 500), " "} {
		got, err := personal.Record("wangdiantong.flagship-refund", []byte(body))
		if err == nil || len(got) > 0 || strings.Contains(err.Error(), "王") {
			t.Errorf("%q: %q, %v; want an error that tells nothing", body, got, err)
		}
	}
	if got, err := personal.Record("wangdiantong.flagship-refund", nil); err != nil || len(got) != 0 {
		t.Errorf("tombstone: %q, %v", got, err)
	}
}

func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{"phone":"secret"}`, `[{"phone":["secret",1]}]`, `"secret"`, `{"phone":{"a":{"b":"secret"}}}`, `{"phone":-1e999}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := personal.JSON(body, []string{"phone"})
		if err != nil {
			return
		}
		if again, err := personal.JSON(got, []string{"phone"}); err != nil || string(again) != string(got) {
			t.Errorf("%q masked is %q, masked twice %q, %v", body, got, again, err)
		}
	})
}
