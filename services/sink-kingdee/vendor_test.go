package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// vendor plays Kingdee: customers, two kinds of bills, their lists, details and operations. It takes
// any signature; that is the client's business. What it stores it checks for the declared types.
type vendor struct {
	*httptest.Server

	mu    sync.Mutex
	last  int
	docs  map[string][]*stored // by path
	calls []string             // "POST path" with the operation, in order, without lists and details
	saves []string             // bodies of saves as they came

	lose       func(call string) bool // loses the answer after the call was carried out
	refuse     map[string]string      // texts by call, said instead of carrying it out
	auditFails string                 // text; the bill of a save stays as a draft
	keepsLines bool                   // lines that are left out of an update stay
}

// stored is a document.
type stored struct {
	id, number, status string
	fields             map[string]any
	lines              []map[string]any
}

const (
	pathCustomer = "/jdy/v2/bd/customer"
	pathGain     = "/jdy/v2/scm/inv_check_gail_bill"
	pathOtherIn  = "/jdy/v2/scm/inv_other_in"
	pathOperate  = "/jdy/v2/sys/common_operate"
)

// entities are the paths by the names of common_operate.
var entities = map[string]string{
	"bd_customer": pathCustomer, "inv_check_gain_bill": pathGain, "inv_other_bill_inbound": pathOtherIn,
}

func newVendor(t testing.TB) *vendor {
	v := &vendor{docs: map[string][]*stored{}, refuse: map[string]string{}, lose: func(string) bool { return false }}
	v.Server = httptest.NewServer(v)
	t.Cleanup(v.Close)
	return v
}

// refusal is an errcode with its text.
type refusal string

func (r refusal) Error() string { return string(r) }

const unknownDocument = refusal("数据不存在")

func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	call, data, err := v.answer(r)
	if strings.HasPrefix(call, http.MethodPost) && v.lose(call) {
		conn, _, hijackErr := w.(http.Hijacker).Hijack()
		if hijackErr == nil {
			_ = conn.Close()
		}
		return
	}
	reply := map[string]any{"errcode": 0, "description": "success", "data": data}
	if err != nil {
		reply = map[string]any{"errcode": 2000002001, "description": err.Error(), "data": nil}
	}
	_ = json.NewEncoder(w).Encode(reply)
}

// answer carries a request out. call names it for the tests.
func (v *vendor) answer(r *http.Request) (call string, data any, err error) {
	path := r.URL.Path
	switch {
	case strings.HasSuffix(path, "/push_app_authorize"):
		return "", []any{map[string]any{"appKey": "aB3dE9kZ", "appSecret": "secret", "domain": "https://tf.jdy.com", "status": 1}}, nil
	case strings.HasSuffix(path, "/kingdee_auth_token"):
		return "", map[string]any{"app-token": "token"}, nil
	case r.Header.Get("app-token") != "token" || r.Header.Get("X-GW-Router-Addr") == "":
		return "", nil, refusal("no session")
	case r.Method == http.MethodGet && strings.HasSuffix(path, "_detail"):
		data, err = v.detail(strings.TrimSuffix(path, "_detail"), r.URL.Query())
		return "GET", data, err
	case r.Method == http.MethodGet:
		return "GET", v.list(path, r.URL.Query()), nil
	}
	var body map[string]any
	decoder := json.NewDecoder(r.Body)
	decoder.UseNumber()
	if err := decoder.Decode(&body); err != nil {
		return "", nil, err
	}
	call = "POST " + path
	if path == pathOperate {
		call += " " + fmt.Sprint(body["operate_type"])
	}
	v.calls = append(v.calls, call)
	if text := v.refuse[call]; text != "" {
		return call, nil, refusal(text)
	}
	if path == pathOperate {
		data, err = v.operate(body)
	} else {
		data, err = v.save(path, body)
	}
	return call, data, err
}

// find returns a document by id or number.
func (v *vendor) find(path, id, number string) *stored {
	for _, d := range v.docs[path] {
		if id != "" && d.id == id || number != "" && d.number == number {
			return d
		}
	}
	return nil
}

func (v *vendor) save(path string, body map[string]any) (any, error) {
	text, _ := json.Marshal(body)
	v.saves = append(v.saves, string(text))
	if err := declared(body); err != nil {
		return nil, err
	}
	name := "bill_no"
	if path == pathCustomer {
		name = "number"
	}
	number, _ := body[name].(string)
	id, _ := body["id"].(string)
	d := v.find(path, id, "")
	switch {
	case id != "" && d == nil:
		return nil, unknownDocument
	case id != "" && d.status == "C":
		return nil, refusal("已审核的单据不能修改")
	case id == "" && v.find(path, "", number) != nil && path == pathCustomer:
		return nil, refusal("编码[" + number + "]已存在")
	case id == "" && v.find(path, "", number) != nil:
		return nil, refusal("组合值" + number + "与其他表单重复")
	case d == nil:
		v.last++
		d = &stored{id: strconv.Itoa(1_990_000_000_000_000_000 + v.last), status: "Z", number: number}
		if number == "" {
			d.number = fmt.Sprintf("PYD-20251010-%05d", v.last)
		}
		v.docs[path] = append(v.docs[path], d)
	}
	v.fill(d, body)
	if body["operation_key"] == "audit" {
		if v.auditFails != "" {
			return nil, refusal(v.auditFails)
		}
		d.status = "C"
	}
	return map[string]any{"ids": []string{d.id}, "id_number_map": map[string]string{d.id: d.number}}, nil
}

// fill stores what a save says.
func (v *vendor) fill(d *stored, body map[string]any) {
	lines, _ := body["material_entity"].([]any)
	var kept []map[string]any
	named := map[any]bool{}
	for _, raw := range lines {
		line, _ := raw.(map[string]any)
		if line["id"] == nil {
			v.last++
			line["id"] = strconv.Itoa(7_000_000 + v.last)
		}
		named[line["id"]] = true
		kept = append(kept, line)
	}
	for _, line := range d.lines {
		if v.keepsLines && !named[line["id"]] {
			kept = append(kept, line)
		}
	}
	d.lines, d.fields = kept, body
}

// declared refuses what has another JSON type than the vendor declares.
func declared(body map[string]any) error {
	for name, value := range body {
		_, isNumber := value.(json.Number)
		_, isText := value.(string)
		switch name {
		case "qty":
			if !isNumber {
				return refusal("invalid value for qty")
			}
		case "material_entity":
			for _, line := range value.([]any) {
				if err := declared(line.(map[string]any)); err != nil {
					return err
				}
			}
		case "ignore_warn", "contact_persons", "custom_field":
		default:
			if !isText {
				return refusal("invalid value for " + name)
			}
		}
	}
	return nil
}

func (v *vendor) operate(body map[string]any) (any, error) {
	path := entities[fmt.Sprint(body["entity_number"])]
	ids, _ := body["ids"].([]any)
	if len(ids) != 1 {
		return nil, refusal("ids")
	}
	d := v.find(path, fmt.Sprint(ids[0]), "")
	if d == nil {
		return nil, unknownDocument
	}
	switch operation := body["operate_type"]; {
	case operation == "audit" && d.status == "Z":
		if v.auditFails != "" {
			return nil, refusal(v.auditFails)
		}
		d.status = "C"
	case operation == "unaudit" && d.status == "C":
		d.status = "Z"
	case operation == "delete" && d.status == "Z":
		v.docs[path] = slices.DeleteFunc(v.docs[path], func(o *stored) bool { return o == d })
	default:
		return nil, refusal(fmt.Sprintf("单据状态%s不能%s", d.status, operation))
	}
	return map[string]any{"ids": ids}, nil
}

func (v *vendor) detail(path string, query map[string][]string) (any, error) {
	first := func(name string) string { return strings.Join(query[name], "") }
	d := v.find(path, first("id"), first("number"))
	if d == nil {
		return nil, unknownDocument
	}
	out := maps.Clone(d.fields)
	delete(out, "operation_key")
	out["id"], out["bill_status"] = d.id, d.status
	if path == pathCustomer {
		out["number"] = d.number
		return out, nil
	}
	out["bill_no"], out["material_entity"] = d.number, d.lines
	return out, nil
}

// list answers newest last, filtered by the bills' dates.
func (v *vendor) list(path string, query map[string][]string) any {
	first := func(name string) string { return strings.Join(query[name], "") }
	var rows []any
	for _, d := range v.docs[path] {
		date := fmt.Sprint(d.fields["bill_date"])
		if date >= first("start_bill_date") && date <= first("end_bill_date") {
			rows = append(rows, map[string]any{"id": d.id, "bill_no": d.number, "bill_date": date, "bill_status": d.status, "remark": d.fields["remark"]})
		}
	}
	page, _ := strconv.Atoi(first("page"))
	size, _ := strconv.Atoi(first("page_size"))
	size = min(size, 100)
	from := min((page-1)*size, len(rows))
	return map[string]any{
		"count": len(rows), "total_page": (len(rows) + size - 1) / size, "page": page, "page_size": size,
		"rows": rows[from:min(from+size, len(rows))],
	}
}

// held returns a copy of the documents at a path.
func (v *vendor) held(path string) []stored {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []stored
	for _, d := range v.docs[path] {
		out = append(out, *d)
	}
	return out
}

// made returns the calls since the last time.
func (v *vendor) made() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	calls := v.calls
	v.calls = nil
	short := strings.NewReplacer("POST ", "", pathOperate+" ", "", "/jdy/v2/scm/", "", "/jdy/v2/bd/", "")
	return short.Replace(strings.Join(calls, ", "))
}

// set changes how the vendor behaves.
func (v *vendor) set(change func(*vendor)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change(v)
}
