import * as sdk from "@aws-sdk/client-kms";
import * as root from "recording-keystore";
import * as aws from "recording-keystore/aws";
import * as file from "recording-keystore/stores/file";
import * as testing from "recording-keystore/testing";
import scenario from "./scenario.cjs";

await scenario({ root, aws, file, testing, sdk });
