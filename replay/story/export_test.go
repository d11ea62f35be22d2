package story

// LargeFile is for the bars of what shows timelines.
var (
	LargeFile = largeFile
	CPU       = cpu
)
