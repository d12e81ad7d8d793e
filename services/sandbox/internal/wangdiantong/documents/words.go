package documents

// The vocabulary of the made-up documents. Changing any of it changes the data of every seed.

var people = []string{"李雷", "韩梅梅", "欧阳小敏", "赵六", "系统"}

var remarks = []string{
	"月度盘点", "年中大盘,差异已核", `库管说 "多了一箱"`, `路径 C:\盘点\2025`, "第一行\n第二行", "列一\t列二",
	"盘盈 👍，已复核", "含税 13%；运费到付 & 自提", "it's 100% <b>ok</b>", "生僻字：㐂𠮷龘", "",
}

var reasons = []string{"盘盈", "赠品入库", "样品归还", ""}

type carrier struct{ code, name, prefix string }

var carriers = []carrier{{"SF", "顺丰速运", "SF"}, {"ZTO", "中通", "785"}, {"YTO", "圆通", "YT"}}

type brand struct{ no, name string }

var brands = []brand{{"B01", "示例品牌"}, {"B02", `"远山"`}, {"B03", "A&B"}}

type provider struct{ no, name string }

var providers = []provider{{"GYS001", "义乌市小商品贸易有限公司"}, {"GYS002", "广州白云皮具厂"}, {"GYS003", "O'Neill Textiles (Shanghai) Ltd."}}

type refundReason struct {
	id   int64
	name string
}

var refundReasons = []refundReason{{12, "七天无理由"}, {13, "商品破损"}, {14, "发错货"}, {15, "协商一致退款"}, {0, ""}}

var refundRemarks = []string{"尺码不合适", "颜色与图片不符", `买家说 "不想要了"`, "第一行\n第二行", "包装破损 📦", "退回运费 & 差价", ""}

var buyers = []buyer{
	{"王小明", "xiaoming", "13800000000"}, {"陈示例", "demo_chen", "13800000001"}, {"张三丰", "sanfeng_zhang", "13800000002"},
}

type buyer struct{ name, nick, phone string }

var distributors = []string{"示例分销商", "青禾分销"}
