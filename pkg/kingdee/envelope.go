package kingdee

import (
	"encoding/json"
	"errors"

	"github.com/erpstream/erpstream/pkg/tolerant"
)

// envelope is the outer object of every answer: {"errcode":0,"description":"success","data":{…}}.
type envelope struct {
	code int64
	text string
	data json.RawMessage // nil = null or not given
}

// failed reports whether the vendor refused. The authorisation was seen with {"code":200,…}.
func (e envelope) failed() bool { return e.code != 0 }

// decodeEnvelope reads an answer. Without a code it is none, whatever else it holds.
func decodeEnvelope(body []byte) (envelope, error) {
	fields, err := tolerant.Parse(body)
	if err != nil {
		return envelope{}, err
	}
	name := "errcode"
	if fields.Text(name) == "" {
		name = "code"
	}
	code, given, err := fields.Int(name)
	if err != nil {
		return envelope{}, err
	}
	if !given {
		return envelope{}, errors.New("no errcode")
	}
	if name == "code" && code == 200 {
		code = 0
	}
	e := envelope{code: code, data: fields.Raw("data")}
	for _, name := range []string{"description_cn", "descriptionCn", "description", "message", "msg"} {
		if e.text = fields.Text(name); e.text != "" {
			break
		}
	}
	return e, nil
}
