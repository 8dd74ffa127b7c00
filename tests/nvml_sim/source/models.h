/* GPUs by name, as differences from the H100 that keys.h describes; commonly reported values, measured nowhere. */
{ "h100", "name=\"NVIDIA H100 80GB HBM3\" nvlinks=18 nvswitch=1" },
{ "h200", "name=\"NVIDIA H200\" nvlinks=18 nvswitch=1 mem_total=143771 mem_reserved=614 power_idle=75 clk_mem_max=3201"
	" bus_width=6144" },
{ "a100", "name=\"NVIDIA A100-SXM4-80GB\" arch=7 cc=8.0 cores=6912 mem_total=81920 mem_reserved=571 tdp=400 power_min=100"
	" power_idle=62 clk_gr_max=1410 clk_mem_max=1593 nvlinks=12 nvlink_version=4 nvswitch=1 pcie_gen_max=4 t_max=85" },
{ "t4", "name=\"Tesla T4\" arch=6 cc=7.5 cores=2560 mem_total=15360 mem_reserved=443 bar1=256 bus_width=256 tdp=70"
	" power_min=60 power_idle=10 clk_gr_max=1590 clk_mem_max=5001 pcie_gen_max=3 t_shutdown=96 t_slowdown=93 t_max=85"
	" t_mem_max=0 row_remap=0 mig=na" },
{ "rtx6000ada", "name=\"NVIDIA RTX 6000 Ada Generation\" arch=8 cc=8.9 cores=18176 mem_total=49140 mem_reserved=585"
	" bar1=65536 bus_width=384 tdp=300 power_min=100 power_idle=21 clk_gr_max=3105 clk_mem_max=10001 clk_video_max=2415"
	" fans=1 pcie_gen_max=4 t_shutdown=103 t_slowdown=100 t_max=90 t_mem_max=0 ecc=0 mig=na persistence=0"
	" pstate=if(util<1,8,0)" },
