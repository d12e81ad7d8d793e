package jushuitan_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/erpstream/erpstream/pkg/jushuitan"
)

func ExampleClient_Page() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"code":0,"msg":"执行成功","data":{"page_index":1,"page_size":100,"has_next":false,"datas":[{"shop_id":10394001,"shop_name":"测试自有店"}]}}`)
	}))
	defer server.Close()

	client, err := jushuitan.New(jushuitan.Config{
		Endpoint: server.URL, // leave it out for the vendor's own
		AppKey:   "app-key",
		Secrets: func(field string) (string, error) { // or read a file
			return map[string]string{"app_secret": "hidden", "access_token": "hidden too"}[field], nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for index := 1; ; index++ {
		page, err := client.Page(context.Background(), "/open/shops/query", map[string]any{"page_index": index, "page_size": 100})
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, row := range page.Rows {
			fmt.Printf("%s\n", row)
		}
		if !page.HasNext || len(page.Rows) == 0 {
			return
		}
	}
	// Output:
	// {"shop_id":10394001,"shop_name":"测试自有店"}
}
