return Kvant.Cli.Tool.Run(args);
