package wangdiantong_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/erpstream/erpstream/pkg/wangdiantong"
)

func ExampleClient_Page() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"code":0,"message":"ok","total_count":"1","stockin_list":[{"stockin_id":"48213","order_no":"RK2406030017"}]}`)
	}))
	defer server.Close()

	client, err := wangdiantong.New(wangdiantong.Config{
		Edition:  wangdiantong.Enterprise,
		Endpoint: server.URL, // leave it out for the vendor's own
		SID:      "demo2",
		AppKey:   "demo2-test",
		Secrets: func(field string) (string, error) { // or read a file
			return map[string]string{"app_secret": "hidden"}[field], nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for page := 0; ; page++ {
		got, err := client.Page(context.Background(), wangdiantong.Call{
			Method: "stockin_order_query", Page: page, Size: 100, Rows: "stockin_list",
			Params: map[string]any{"start_time": "2024-06-03 14:00:00", "end_time": "2024-06-03 14:59:59", "status": 80},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, row := range got.Rows {
			fmt.Printf("%s\n", row)
		}
		if !got.HasNext {
			return
		}
	}
	// Output:
	// {"stockin_id":"48213","order_no":"RK2406030017"}
}
