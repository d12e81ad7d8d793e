package xingchen

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/gateway/gatewaytest"
)

const customerPath = "/jdy/v2/bd/customer"

func TestACustomerIsSavedAndRead(t *testing.T) {
	v := start(t, nil)
	id := v.saved(customerPath, `{"number":"店铺-10/A B","name":"旗舰店A","remark":"<&>","ignore_warn":false,"invoice_type":1}`)
	for _, query := range []string{"id=" + id, "number=%E5%BA%97%E9%93%BA-10%2FA%20B", "number=%E5%BA%97%E9%93%BA-10%2FA+B"} {
		row := v.row(customerPath+"_detail", query)
		if row["id"] != id || row["number"] != "店铺-10/A B" || row["name"] != "旗舰店A" || row["remark"] != "<&>" || row["enable"] != "1" ||
			row["create_time"] != "2025-10-10 09:00:00" || row["invoice_type"] != json.Number("1") {
			t.Errorf("%s: %v", query, row)
		}
	}
	v.refused(v.get(customerPath+"_detail", "number=unknown"), "数据不存在")
	v.refused(v.get(customerPath+"_detail", ""), "数据不存在")
}

func TestACustomerIsChangedByItsID(t *testing.T) {
	v := start(t, nil)
	id := v.saved(customerPath, `{"number":"1","name":"A","remark":"r"}`)
	v.saved(customerPath, `{"number":"2","name":"B"}`)
	v.Clock.Advance(time.Minute)
	if got := v.saved(customerPath, `{"id":"`+id+`","number":"1","name":"C"}`); got != id {
		t.Errorf("the update made %s of %s", got, id)
	}
	row := v.row(customerPath+"_detail", "id="+id)
	if row["name"] != "C" || row["remark"] != "r" || row["create_time"] != "2025-10-10 09:00:00" || row["modify_time"] != "2025-10-10 09:01:00" {
		t.Errorf("row is %v", row)
	}
	v.refused(v.post(customerPath, `{"id":"`+id+`","name":"C"}`), "编码不能为空")
	v.refused(v.post(customerPath, `{"id":"`+id+`","number":"2","name":"C"}`), "编码[2]已存在")
	v.refused(v.post(customerPath, `{"id":"`+id+`","number":"1","name":"B"}`), "名称[B]已存在")
	v.refused(v.post(customerPath, `{"id":"5","number":"9","name":"Z"}`), "数据不存在")
	v.saved(customerPath, `{"number":"3","name":"A"}`) // the name is free again
	if n := len(v.server.Customers()); n != 3 {
		t.Errorf("there are %d customers, want 3", n)
	}
}

func TestCustomersThatAreRefused(t *testing.T) {
	v := start(t, nil)
	v.saved(customerPath, `{"number":"10086","name":"旗舰店A"}`)
	for _, test := range []struct{ body, want string }{
		{`{"number":"10086","name":"旗舰店B"}`, "编码[10086]已存在"},
		{`{"number":"10087","name":"旗舰店A"}`, "名称[旗舰店A]已存在"},
		{`{"number":"1"}`, "名称不能为空"},
		{`{"name":"B"}`, "编码不能为空"},
		{`{"name":"B","number":"` + strings.Repeat("字", 31) + `"}`, "编码长度不能超过30"},
		{`{"number":10088,"name":"B"}`, "invalid value for string field number: 10088"},
		{`{"number":"1","name":"B","ignore_warn":"true"}`, "invalid value for bool field ignore_warn"},
		{`{"number":"1","name":"B","shop":"x"}`, `unknown field "shop"`},
		{`{"number":"1","name":"B","custom_field":{"k":1}}`, "invalid value for string field custom_field.k"},
		{`{"number":"1","name":"B","sale_dept_number":"nothing"}`, "参数sale_dept_number[nothing]不存在"},
		{`{"number":"1","name":"B","saler_id":"7"}`, "参数saler_id[7]不存在"},
		{`{"number":"1","name":"B","group_id":"7"}`, "参数group_id[7]不存在"},
		{`[]`, "syntax error"},
		{``, "syntax error"},
	} {
		v.refused(v.post(customerPath, test.body), test.want)
	}
	v.saved(customerPath, `{"number":"`+strings.Repeat("字", 30)+`","name":"B","sale_dept_number":"BM00001","group_id":"1"}`)
	if st := v.server.Stats(); len(v.server.Customers()) != 2 || st.Changes != 2 || st.Rejections["2000002001"] != 14 {
		t.Errorf("%d customers, stats %+v", len(v.server.Customers()), st)
	}
}

func TestSwitchesOfCustomers(t *testing.T) {
	v := start(t, func(s *Settings) {
		s.UnknownFields, s.Types, s.CodingRule, s.NumberMap = "ignore", "lenient", true, false
	})
	r := v.post(customerPath, `{"name":"A","number":10086,"shop":1}`)
	if r.Code != 0 || !strings.Contains(string(r.Data), `"id_number_map":{}`) {
		t.Errorf("answer is %s", r.Body)
	}
	r = v.post(customerPath, `{"name":"B"}`)
	all := v.server.Customers()
	if r.Code != 0 || len(all) != 2 || all[0]["number"] != "10086" || all[1]["number"] != "KH-20251010-00001" {
		t.Errorf("answer is %s, customers are %v", r.Body, all)
	}
}

func TestPersonalFieldsAreEncrypted(t *testing.T) {
	const body = `{"number":"1","name":"A","addr":"某路1号","contact_persons":[{"contact_person":"甲","mobile":"13800000000"}]}`
	for encrypt, visible := range map[bool]bool{true: false, false: true} {
		v := start(t, func(s *Settings) { s.EncryptPersonal = encrypt })
		id := v.saved(customerPath, body)
		r := v.get(customerPath+"_detail", "id="+id)
		for _, plain := range []string{"13800000000", "某路1号"} {
			if strings.Contains(r.Body, plain) != visible {
				t.Errorf("encrypted is %v: %s", encrypt, r.Body)
			}
		}
		if !strings.Contains(r.Body, `"bomentity":[{"contact_person":"甲","mobile":`) || strings.Contains(r.Body, "contact_persons") {
			t.Errorf("contacts in %s", r.Body)
		}
		if shown := text(t, v.server.Customers()); !strings.Contains(shown, "13800000000") {
			t.Errorf("the control page shows %s", shown)
		}
	}
}

func TestListsOfCustomers(t *testing.T) {
	v := start(t, nil)
	from := v.Clock.Now()
	for _, n := range []string{"1", "2", "3"} {
		v.saved(customerPath, `{"number":"N`+n+`","name":"店`+n+`"}`)
		v.Clock.Advance(time.Minute)
	}
	ms := func(d time.Duration) string { return text(t, from.Add(d).UnixMilli()) }
	for _, test := range []struct{ query, want string }{
		{"", "N1 N2 N3"},
		{"search=N2", "N2"},
		{"search=%E5%BA%973", "N3"},
		{"enable=0", ""},
		{"enable=-1&group=1", "N1 N2 N3"},
		{"group=2", ""},
		{"modify_start_time=" + ms(time.Minute), "N2 N3"},
		{"modify_end_time=" + ms(time.Minute) + "&modify_start_time=-1", "N1 N2"},
		{"create_start_time=" + ms(time.Minute) + "&create_end_time=" + ms(time.Minute), "N2"},
		{"page=2&page_size=2", "N3"},
		{"page=9", ""},
	} {
		l := v.list(customerPath, test.query)
		if got := numbers(l); got != test.want {
			t.Errorf("%s: %s, want %s", test.query, got, test.want)
		}
	}
	l := v.list(customerPath, "page=2&page_size=2")
	if l.Count != "3" || l.TotalPage != 2 || l.PageSize != 2 || text(t, l.Rows[0]) == "" {
		t.Errorf("page is %+v", l)
	}
	for _, query := range []string{"page=x", "modify_start_time=2025-10-10", "enable=yes"} {
		if r := v.get(customerPath, query); r.Code == 0 {
			t.Errorf("%s: %s", query, r.Body)
		}
	}
	r := v.send(gatewaytest.Request{Method: "GET", Path: customerPath, Body: `{"search":"N2","page":1,"page_size":"10","group":["1"]}`})
	if !strings.Contains(r.Body, `"number":"N2"`) || strings.Contains(r.Body, `"number":"N1"`) {
		t.Errorf("filters in the body: %s", r.Body)
	}
}

func numbers(l list) string {
	all := []string{}
	for _, row := range l.Rows {
		number, ok := row["number"].(string)
		if !ok {
			number, _ = row["bill_no"].(string)
		}
		all = append(all, number)
	}
	return strings.Join(all, " ")
}

func TestListsLag(t *testing.T) {
	v := start(t, func(s *Settings) { s.ListLag = 10 * time.Second })
	id := v.saved(customerPath, `{"number":"1","name":"A"}`)
	v.Clock.Advance(9 * time.Second)
	if got := numbers(v.list(customerPath, "")); got != "" {
		t.Errorf("listed too early: %s", got)
	}
	v.row(customerPath+"_detail", "id="+id)
	v.Clock.Advance(time.Second)
	if got := numbers(v.list(customerPath, "")); got != "1" {
		t.Errorf("listed %q", got)
	}
}
